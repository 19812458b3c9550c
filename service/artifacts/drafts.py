"""Files that are written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import InvalidParameter


@contextmanager
def drafts(*paths: Path) -> Iterator[list[Path]]:
    """Files beside `paths` to write to; they take those names when all are complete.

    After an error neither is there, and what had these names before still is.
    Raises `InvalidParameter` where one cannot be written.
    """
    beside = [path.with_name(f".{path.name}.draft") for path in paths]
    try:
        yield beside
        for draft, path in zip(beside, paths, strict=True):
            draft.replace(path)
    except OSError as error:
        names = " and ".join(map(str, paths))
        raise InvalidParameter(f"{names} cannot be written: {error.strerror or error}.") from None
    finally:
        for draft in beside:
            draft.unlink(missing_ok=True)
