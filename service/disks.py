"""What a disk, or a share that looks like one, says of itself rather than of one file."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.errors import StorageUnavailable

FULL = (errno.ENOSPC, errno.EDQUOT)
LOW_BYTES = 200_000_000  # free on a disk, below which someone should look

# A share that went away, and a process at its bounds. EIO is not among them: one bad sector is one
# file's fault, and would be in the way for ever
AWAY = (
    errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH,
    errno.ENETUNREACH, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
)  # fmt: skip


@contextmanager
def answering(file: object) -> Iterator[None]:
    """Errors of the file pass; `StorageUnavailable` for those that any other file would have as well."""
    try:
        yield
    except OSError as error:
        if error.errno in AWAY:
            raise StorageUnavailable(f"{file} cannot be read now: {error.strerror}.") from error
        raise


def nearly_full(folders: Iterable[Path]) -> list[str]:
    """A line for each folder, of those that can be looked at, whose disk has little room left."""
    said = []
    for folder in folders:
        with suppress(OSError):
            if (room := shutil.disk_usage(folder).free) < LOW_BYTES:
                said.append(f"{room // 1_000_000} MB are free on the disk of {folder}.")
    return said
