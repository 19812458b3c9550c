"""Work on a file that one process does at a time; a lock of the system, which ends with the process."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import TrainingImpossible


@contextmanager
def alone(lock: Path, otherwise: str | None = None) -> Iterator[None]:
    """Hold `lock`, an empty file, which stays. It is waited for, or `otherwise` says what is wrong.

    Raises `TrainingImpossible` with `otherwise`, and OSError.
    """
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if otherwise else 0))
        except BlockingIOError:
            raise TrainingImpossible(otherwise) from None
        yield
