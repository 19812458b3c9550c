"""Files that are written whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.disks import FULL
from service.errors import InvalidParameter, StorageFull


@contextmanager
def drafts(*paths: Path) -> Iterator[list[Path]]:
    """Files beside `paths` to write to; they take those names when all are complete.

    After an error neither is there, and what had these names before still is. Where two write at once
    the last one counts. Raises `InvalidParameter` where one cannot be written, and `StorageFull`.
    """
    names = " and ".join(map(str, paths))
    beside: list[Path] = []
    try:
        # What a link leads to is replaced, not the link
        targets = [path.resolve() for path in paths]
        _require_files(names, targets)
        beside = [
            target.with_name(f".{target.name}.{secrets.token_hex(4)}.draft") for target in targets
        ]
        yield beside
        for draft, target in zip(beside, targets, strict=True):
            draft.replace(target)
    except OSError as error:
        if error.errno in FULL:
            raise StorageFull(f"There is no room for {names}. Nothing was written.") from None
        raise InvalidParameter(f"{names} cannot be written: {error.strerror or error}.") from None
    finally:
        for draft in beside:
            # Where it could not be written, it may not be looked for either
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def _require_files(names: str, targets: list[Path]) -> None:
    if len(set(targets)) < len(targets):
        raise InvalidParameter(f"{names} are one file. Give each a name of its own.")
    for target in targets:
        if target.exists() and not target.is_file():  # a device would give way to the file
            raise InvalidParameter(f"{target} is there, and is no file.")
