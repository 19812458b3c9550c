"""Files of this machine and objects behind a URL, as one kind of path.

How a store is asked, and what its errors mean: `service.stores`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from service.disks import answering
from service.stores import FETCHERS, FLAT, LONGEST_KEY, OPTIONS, call, reached

if TYPE_CHECKING:  # fsspec is imported where a URL is met, as most catalogs know none
    from upath import UPath

Location: TypeAlias = "Path | UPath"
"""A file or folder: a path of this machine, or an fsspec URL as a path."""

P = TypeVar("P", Path, "UPath", "Path | UPath")
T = TypeVar("T")

_LOCAL = ("", "file", "local")  # protocols of what lies on this machine


def is_url(text: str) -> bool:
    return "://" in text


def protocol_of(text: str) -> str:
    """Which kind of store a URL is of; empty for a path of this machine."""
    return text.partition("://")[0].lower() if is_url(text) else ""


def is_local(text: str) -> bool:
    """Whether it names a path of this machine: plainly, or by a URL such as file:///photos."""
    return protocol_of(text) in _LOCAL


def locate(text: str | Path) -> Location:
    """The path that a text names. Raises `SettingsInvalid` for a URL whose protocol is not installed."""
    if isinstance(text, Path) or not is_url(text):
        return Path(text)
    if is_local(text):
        return Path(os.path.expanduser(text.partition("://")[2]))  # as fsspec: no %20 is a space
    from upath import UPath

    protocol = protocol_of(text)
    with reached(text):
        # Listings are not kept: others write to a store as well
        options = OPTIONS.get("s3" if protocol == "s3a" else protocol, {})
        path = UPath(text.rstrip("/"), use_listings_cache=False, **options)
        _ = path.fs
        return path


def is_remote(location: Location) -> bool:
    return not isinstance(location, Path)


def read_bytes(location: Location) -> bytes:
    """The whole content. Raises OSError of the file, `StorageUnavailable` of the disk or store."""
    if isinstance(location, Path):
        with answering(location):
            return location.read_bytes()
    data: bytes = call(location, "cat_file")
    return data


def size_of(location: Location) -> int:
    """Bytes. Raises as `read_bytes`; IsADirectoryError for what is no file."""
    if isinstance(location, Path):
        with answering(location):
            found = location.stat()
        if not location.is_file():
            raise IsADirectoryError(0, "It is not a file")
        return found.st_size
    info = _info(location)
    if info["type"] != "file":
        raise IsADirectoryError(0, "It is not a file")
    return int(info["size"])


def _info(location: UPath) -> dict[str, Any]:
    """What its store knows of it. Raises OSError of the object, `StorageUnavailable` of the store."""
    _, _, key = location.path.partition("/")
    if location.protocol in FLAT and len(key.encode()) > LONGEST_KEY:
        # S3 answers as it answers what is wrong with every object: by 400
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    info: dict[str, Any] = call(location, "info")
    return info


def known_size(file: Location) -> int | None:
    """Bytes, None where it cannot be looked at. Raises `StorageUnavailable`."""
    try:
        return size_of(file)
    except (OSError, ValueError):
        return None


def state_of(file: Location) -> list[str | int]:
    """By which a file is known again: its path, size, and time of change or a store's mark of its content.

    Raises `StorageUnavailable`; a file that is not there is known by its path.
    """
    try:
        if isinstance(file, Path):
            found = file.stat()
            return [str(file.absolute()), found.st_size, int(found.st_mtime_ns)]
        info = _info(file)
    except (OSError, ValueError):
        return [str(file), -1, -1]
    marks = (info.get(name) for name in ("ETag", "etag", "LastModified", "mtime", "created"))
    return [str(file), info["size"] or 0, next((str(mark) for mark in marks if mark), "")]


def each(function: Callable[[Location], T], files: Sequence[Location]) -> Iterator[T]:
    """The function's answer for every file, in their order; stores are asked side by side."""
    if not (fetchers := fetchers_of(files)):
        yield from map(function, files)
        return
    with ThreadPoolExecutor(fetchers, "fetch") as pool:
        yield from pool.map(function, files)


def fetchers_of(files: Iterable[Location]) -> int:
    """Threads that reading these files takes beyond those that compute: a store is waited for."""
    return FETCHERS if any(is_remote(file) for file in files) else 0


def exists(location: Location) -> bool:
    """Whether it is there, as far as this process can see.

    Raises `StorageUnavailable`, where a store's own answer to this question would be no.
    """
    try:
        if isinstance(location, Path):
            return location.exists()
        _info(location)
    except OSError:
        return False
    return True


def is_folder(location: Location) -> bool:
    """As `Path.is_dir`. A store is asked for one name in it; fsspec's own answer lists them all.

    Raises OSError and `StorageUnavailable`.
    """
    if isinstance(location, Path):
        return location.is_dir()
    try:
        info = _info(location)
    except FileNotFoundError:
        return False
    # Some tools mark a folder by an empty object of its name
    return info["type"] == "directory" or (not info["size"] and bool(call(location, "isdir")))


def lies_in(file: Location, roots: Sequence[Location]) -> bool:
    """Whether a file lies in one of the folders once `..` and links are resolved."""
    if not isinstance(file, Path):
        return ".." not in file.parts and any(
            file.protocol == root.protocol and file.is_relative_to(root)
            for root in roots
            if not isinstance(root, Path)
        )
    try:
        resolved = file.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL
        return False
    return any(isinstance(root, Path) and resolved.is_relative_to(root.resolve()) for root in roots)


def walk(folder: P, roots: Sequence[Location] = ()) -> Iterator[tuple[P, list[str], list[str]]]:
    """As `os.walk`: each folder with the names of its folders, which the caller may cut, and files.

    A folder that is linked in is one like any other, but for one that leads back to where it lies in, and
    one that leads out of the roots, where there are any.
    Raises OSError where a folder cannot be listed, `StorageUnavailable` of the store.
    """
    if isinstance(folder, Path):
        above: dict[str, frozenset[tuple[int, int]]] = {}  # the folders that a folder lies in
        for parent, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
            found, way = os.stat(parent), above.pop(parent, frozenset())
            if (here := (found.st_dev, found.st_ino)) in way:
                folders.clear()
                continue
            if roots:
                folders[:] = [name for name in folders if lies_in(Path(parent, name), roots)]
            yield Path(parent), folders, files
            above.update((os.path.join(parent, name), way | {here}) for name in folders)
    else:
        with reached(str(folder)):
            # One at a time: fsspec passes over the folders in it that it cannot list
            ((_, folders, files),) = folder.fs.walk(folder.path, maxdepth=1, on_error="raise")
        yield folder, folders, files
        for name in folders:
            yield from walk(folder / name)


def _raise(error: OSError) -> None:
    raise error
