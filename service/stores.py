"""What stores are asked, how long they are waited for, and what their errors mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from service.errors import FashionStudioError, SettingsInvalid, StorageUnavailable

if TYPE_CHECKING:  # fsspec is imported where a URL is met, as most catalogs know none
    from upath import UPath

WHOLE_SECONDS = 25.0  # of one call with all its attempts: less than a request may take
CONNECT_SECONDS = 3.0
SILENT_SECONDS = 8.0  # without a byte, after which an attempt is given up
ATTEMPTS = 3
FETCHERS = 16  # calls to a store at once where many photos are read: it is waited for, not computed

FLAT = ("s3", "s3a", "gs", "gcs", "az", "abfs")  # stores without folders
LONGEST_KEY = 1024  # bytes of an object's name that they take

OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        "config_kwargs": {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": SILENT_SECONDS,
            "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
            "max_pool_connections": FETCHERS,
        },
        "max_concurrency": 1,  # of parts of an object, before which s3fs asks for its size each time
    }
}

# What an object's own absence or right means; everything else is the store's failure
_OF_THE_OBJECT = (
    FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError,
)  # fmt: skip

# By which S3 refuses whoever asks, whatever it is that is asked for
_OF_THE_CALLER = (
    "AccountProblem", "ExpiredToken", "InvalidAccessKeyId", "InvalidSecurity", "NotSignedUp",
    "RequestTimeTooSkewed", "SignatureDoesNotMatch",
)  # fmt: skip


def call(
    location: UPath,
    method: str,
    *args: Any,
    of: str | None = None,
    seconds: float = WHOLE_SECONDS,
    **options: Any,
) -> Any:
    """A method of the location's file system on its path, or on `of`, another path of that system.

    It ends within `seconds` where the file system can be held to that, as those of stores can.

    Raises OSError of the object, `StorageUnavailable` of the store.
    """
    from fsspec.asyn import AsyncFileSystem, sync

    filesystem, path = location.fs, location.path if of is None else of
    until = time.monotonic() + seconds
    with reached(str(location)):
        try:
            if isinstance(filesystem, AsyncFileSystem):
                coroutine: Callable[..., Any] = getattr(filesystem, f"_{method}")
                return sync(filesystem.loop, coroutine, path, *args, timeout=seconds, **options)
            return getattr(filesystem, method)(path, *args, **options)
        except OSError as error:
            if method == "info" and _code_of(error) in ("400", "403"):
                # S3 refuses a HEAD by a status alone, and says by a code why it refuses a GET
                of = path if "/" in path.strip("/") else f"{path}/-"
                with suppress(*_OF_THE_OBJECT):
                    left = max(0.1, until - time.monotonic())
                    call(location, "cat_file", of=of, seconds=left, start=0, end=1)
            raise


@contextmanager
def reached(what: str) -> Iterator[None]:
    """What a store's library raises, in this project's words; errors of the object itself pass.

    Libraries of stores raise errors of their own kinds, for which fsspec has no common one.
    """
    try:
        yield
    except PermissionError as error:
        if (code := _code_of(error)) in _OF_THE_CALLER:
            raise StorageUnavailable(
                f"The store of {what} refuses these credentials: {code}."
            ) from error
        raise
    except (FashionStudioError, *_OF_THE_OBJECT):
        raise
    except ImportError as error:
        raise SettingsInvalid(
            f"{what} cannot be reached: {error}. For S3: pip install 'fashion-studio[s3]'."
        ) from None
    except ValueError as error:
        raise SettingsInvalid(f"{what} cannot be used: {error}.") from None
    except Exception as error:
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        raise StorageUnavailable(f"{what} does not answer: {why.rstrip('.')}.") from error


def _code_of(error: OSError) -> str | None:
    """What S3 calls an error that s3fs has made an OSError of."""
    response = getattr(error.__cause__, "response", None)
    return response["Error"].get("Code") if isinstance(response, dict) else None
