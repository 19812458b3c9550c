"""Work on files that one process does at a time; a lock of the system, which ends with the process."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import FashionStudioError


@contextmanager
def alone(lock: Path, otherwise: FashionStudioError | None = None) -> Iterator[None]:
    """Hold `lock`, an empty file, which stays. It is waited for, or `otherwise` is raised.

    Raises OSError.
    """
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if otherwise else 0))
        except BlockingIOError:
            if otherwise is None:
                raise
            raise otherwise from None
        yield
