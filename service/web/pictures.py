"""Pictures as a browser gets them."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from service.decode import FORMATS, Limits, decode
from service.errors import ImageUndecodable

JPEG_SIDE = 65_500  # pixels: libjpeg writes no picture that is larger
QUALITY = 85  # of JPEG: where the eye stops to see a difference at thumbnail size
KEPT_BYTES = 64_000_000  # of thumbnails in each process: about two thousand of a gallery's
PICTURE_TYPES = tuple(f"image/{kind.lower()}" for kind in FORMATS)


def content_type(data: bytes) -> str:
    """The media type, by content. Raises `ImageUndecodable` for what is no picture."""
    try:
        with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
            kind = picture.format or ""
    except (UnidentifiedImageError, OSError, ValueError, Pillow.DecompressionBombError):
        raise ImageUndecodable("The file is no picture any more.") from None
    return "image/jpeg" if kind == "MPO" else Pillow.MIME[kind]


def narrow(data: bytes, width: int, limits: Limits) -> bytes:
    """An upright JPEG no wider than `width` pixels, with its colour profile. Raises as `decode`."""
    picture = Pillow.fromarray(decode(data, limits, side=width).pixels)
    scale = min(width / picture.width, JPEG_SIDE / picture.height)
    if scale < 1:
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        picture = picture.resize(size, Pillow.Resampling.LANCZOS, reducing_gap=3.0)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, optimize=True, icc_profile=_profile(data))
    return buffer.getvalue()


def _profile(data: bytes) -> bytes | None:
    """What the colours of a picture in red, green and blue mean, where it says so."""
    with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
        found: bytes | None = picture.info.get("icc_profile")
        return found if picture.mode in ("RGB", "RGBA", "P") else None


class Thumbnails:
    """The narrow pictures asked for last, by name, up to `most` bytes together.

    A name stands for the bytes that it was made of, so nothing here grows old.
    """

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The picture of that name, made where it is not here. Raises what `make` raises."""
        with self._lock:
            if name in self._made:
                self._made.move_to_end(name)
                return self._made[name]
        picture = make()  # outside the lock: two may make the same one, and nobody waits
        with self._lock:
            if name not in self._made and len(picture) <= self._most:
                self._made[name] = picture
                self._bytes += len(picture)
            while self._bytes > self._most:
                self._bytes -= len(self._made.popitem(last=False)[1])
        return picture
