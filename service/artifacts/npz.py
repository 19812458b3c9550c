"""The `.npz` of features as a stream: a zip file with one array, row by row, never whole in memory."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import Self, cast

import numpy as np
from numpy.lib import format as npy

from service.catalog import FEATURES
from service.errors import SourceInvalid

ARRAY = "features"  # the array's name where there are several, and in what is written
PIECE = 1 << 18  # bytes decompressed at once
DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError)
HEAD = 12_000  # bytes: numpy takes headers of up to 10,000 characters
HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}

# Level 6, numpy's, takes five times as long as level 1 for a tenth less
LEVEL = 1


class FeatureReader:
    """The array of an `.npz`, (rows, 2048), open for reading; a context manager.

    The file has one array of any name, or one named `features`. Raises `SourceInvalid` unless that is
    (n, 2048) of a float type, in C order, and as long as it should be.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with ExitStack() as opened:
                archive = opened.enter_context(zipfile.ZipFile(path))
                info = _member(path, archive)
                self.rows, self._dtype, header = _header(path, archive, info)
                self._member = cast(zipfile.ZipExtFile, opened.enter_context(archive.open(info)))
                self._member.read(header)
                self._opened = opened.pop_all()
        except zipfile.BadZipFile:
            raise SourceInvalid(f"{path} is no .npz file, or it is cut off.") from None
        except (RuntimeError, NotImplementedError) as error:  # encrypted; an unknown compression
            raise SourceInvalid(f"{path} cannot be read: {error}.") from None
        except OSError as error:
            raise SourceInvalid(f"{path} cannot be read: {error.strerror or error}.") from None

    def chunks(self, size: int) -> Iterator[np.ndarray]:
        """The rows from first to last, (≤ size, 2048) of the file's dtype; once.

        A chunk is overwritten by the next one. Raises `SourceInvalid` where the file is damaged.
        """
        buffer = np.empty((size, FEATURES), self._dtype)
        for start in range(0, self.rows, size):
            chunk = buffer[: min(size, self.rows - start)]
            left = chunk.reshape(-1).view(np.uint8).data
            try:
                while left:
                    piece = self._member.read1(min(PIECE, len(left)))
                    if not piece:
                        raise EOFError("it ends too early")
                    left[: len(piece)] = piece
                    left = left[len(piece) :]
                if start + size >= self.rows:
                    self._member.read(1)  # at the end zipfile compares the checksum
            except DAMAGE as error:
                raise SourceInvalid(
                    f"{self._path} is damaged after row {start}: {error}. Rows before it may be "
                    "stored, and wrong; importing an intact file puts them right."
                ) from None
            yield chunk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()


def _member(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    arrays = [name for name in archive.namelist() if name.endswith(".npy")]
    if f"{ARRAY}.npy" in arrays:
        arrays = [f"{ARRAY}.npy"]
    if len(arrays) != 1:
        names = ", ".join(name.removesuffix(".npy") for name in arrays) or "none"
        raise SourceInvalid(f"{path} needs one array, or one named {ARRAY}; it has: {names}.")
    return archive.getinfo(arrays[0])


def _header(
    path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> tuple[int, np.dtype, int]:
    """(rows, dtype) of the array, and the bytes before it."""
    try:
        with archive.open(info) as member:
            head = BytesIO(member.read(HEAD))  # a header may claim to be 4 GB long
        version = npy.read_magic(head)
        if version not in HEADERS:
            raise ValueError(f"version {version[0]}.{version[1]} of the .npy format is not read")
        shape, fortran, dtype = HEADERS[version](head)
    except (ValueError, TypeError, TokenError, MemoryError, *DAMAGE) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise SourceInvalid(f"The array in {path} cannot be read: {said}.") from None
    if len(shape) != 2 or shape[1] != FEATURES:
        raise SourceInvalid(
            f"The array in {path} has the shape {shape}; it must be (n, {FEATURES})."
        )
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise SourceInvalid(f"The array in {path} holds {dtype}; it must hold float16, 32 or 64.")
    if fortran and shape[0] > 1:
        raise SourceInvalid(
            f"The array in {path} lies column by column (Fortran order) and cannot be read row by "
            "row. Save it again through numpy.ascontiguousarray()."
        )
    if head.tell() + shape[0] * FEATURES * dtype.itemsize != info.file_size:
        raise SourceInvalid(f"The array in {path} is not as long as its header says.")
    return shape[0], dtype, head.tell()


class FeatureWriter:
    """Writes the array `features`, (rows, 2048) float32, chunk by chunk; a context manager."""

    def __init__(self, path: Path, rows: int) -> None:
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL)
        self._member = self._archive.open(f"{ARRAY}.npy", "w", force_zip64=True)
        header = {"descr": "<f4", "fortran_order": False, "shape": (rows, FEATURES)}
        npy.write_array_header_1_0(self._member, header)

    def write(self, embeddings: np.ndarray) -> None:
        """The next rows: (k, 2048) of any float dtype."""
        self._member.write(np.ascontiguousarray(embeddings, "<f4").view(np.uint8).data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._member.close()
        finally:  # or it is tried once more when nobody can be told
            self._archive.close()
