"""Pictures as a browser gets them."""

from __future__ import annotations

import io

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from service.decode import FORMATS, Limits, decode
from service.errors import ImageUndecodable

QUALITY = 85  # of JPEG: where the eye stops to see a difference at thumbnail size
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
    """An upright JPEG no wider than `width` pixels. Raises as `decode`."""
    picture = Pillow.fromarray(decode(data, limits, side=width).pixels)
    if picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Pillow.Resampling.LANCZOS, reducing_gap=3.0)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()
