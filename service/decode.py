"""Bytes to an upright RGB picture: the one path for training, ingest and queries.

The file's content decides its type, never its name. Size caps are checked on the header, before any
pixel is decoded. Resizing differs between libraries, so it happens here and nowhere else.
"""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as Pillow

from service.domain import Image
from service.errors import ImageTooLarge, ImageTypeUnsupported, ImageUndecodable
from service.processors import processors
from service.settings import Settings
from service.storage import Location, read_bytes, size_of
from service.turns import Turns, processor

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")
SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".gif", ".bmp", ".tif", ".tiff"}
)
warnings.filterwarnings("ignore", module=r"PIL\.")  # the caps and errors below say what matters
PAD = 128  # grey of the bars that make a picture square

LARGE = (
    8_000_000  # pixels; with transparency 50 million take nearly a gigabyte while they are decoded
)
_large = Turns(processors())
"""Large pictures decoded at once in a process: no core waits for that, and memory has a bound. Apart from
the others, so that no small one waits for a large one."""

_TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}

_FOREIGN = (  # (offset, magic, name): types worth naming when they are refused
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypheix", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftyp", "video"),
    (4, b"jP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (4, b"JXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"%PDF", "PDF"),
    (0, b"8BPS", "Photoshop"),
    (0, b"<svg", "SVG"),
    (0, b"\x00\x00\x01\x00", "icon"),
    (0, b"PK\x03\x04", "zip archive"),
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on what is decoded: bytes of the file, pixels of the picture."""

    max_bytes: int = 20_000_000
    max_pixels: int = 50_000_000

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(settings.max_image_bytes, settings.max_image_pixels)


def read(file: Location, limits: Limits) -> bytes:
    """The file's bytes. Raises `ImageTooLarge` before reading, `ImageUndecodable` where it is no file,
    `StorageUnavailable`."""
    try:
        check_bytes(size_of(file), limits)
        return read_bytes(file)
    except IsADirectoryError:
        raise ImageUndecodable(f"{file} is not a file.") from None
    except OSError as error:
        raise ImageUndecodable(f"{file} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:  # a NUL in its name
        raise ImageUndecodable(f"{file} cannot be read: {error}.") from None


def decode(data: bytes, limits: Limits, *, side: int | None = None) -> Image:
    """Decode a photo: upright by its EXIF rotation, first frame, transparency over white, 8-bit RGB in its
    own colours, to which no colour profile is applied.

    side: the caller needs no more than this many pixels on the short side; a JPEG is then decoded
    at a fraction of its size (never below twice `side`, so that resizing still has detail to average).
    Raises `ImageUndecodable`, `ImageTypeUnsupported`, `ImageTooLarge`.
    """
    if not data:
        raise ImageUndecodable("The image is empty: 0 bytes.")
    check_bytes(len(data), limits)
    try:
        with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > limits.max_pixels:
                raise ImageTooLarge(_too_many(limits))
            if side is not None:
                picture.draft("RGB", (2 * side, 2 * side))
            _forget_xmp(picture)  # before a TIFF is turned as it is loaded
            with _large if picture.width * picture.height > LARGE else processor:
                picture.load()
                pixels = np.asarray(_rgb(_upright(picture)))
    except UnidentifiedImageError:
        raise _refusal(data) from None
    except Pillow.DecompressionBombError:
        raise ImageTooLarge(_too_many(limits)) from None
    except (ImageTooLarge, ImageUndecodable):
        raise
    except Exception as error:  # Pillow's plugins raise whatever a broken file provokes
        raise ImageUndecodable(f"The image is broken or cut off ({error}).") from None
    return Image(pixels=pixels, sha256=hashlib.sha256(data).hexdigest())


def suffix_of(data: bytes) -> str:
    """The file name's ending for an image, by its content: `.jpg`, `.png`, … Raises `ImageUndecodable`."""
    try:
        with Pillow.open(io.BytesIO(data), formats=FORMATS) as picture:
            kind = (picture.format or "").lower()
    except Exception as error:
        raise ImageUndecodable(f"The image cannot be read ({error}).") from None
    return ".jpg" if kind in ("jpeg", "mpo") else f".{kind}"


def fit(pixels: np.ndarray, side: int) -> np.ndarray:
    """Scale a picture into a square without distorting it; the rest is grey.

    pixels: (height, width, 3) uint8. Returns (side, side, 3) uint8.
    """
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = Pillow.fromarray(pixels).resize(size, Pillow.Resampling.BICUBIC, reducing_gap=1.2)
    square = np.full((side, side, 3), PAD, np.uint8)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    square[top : top + size[1], left : left + size[0]] = np.asarray(picture)
    return square


def _upright(picture: Pillow.Image) -> Pillow.Image:
    """Turned as its EXIF says; EXIF that cannot be read says nothing, as in browsers."""
    _forget_xmp(picture)  # a PNG's may come after its pixels
    try:
        exif = picture.getexif()
        if "exif" in picture.info:
            # Anew: Pillow may have read it, and XMP with it, when it opened the file
            exif = Pillow.Exif()
            exif.load(picture.info["exif"])
        turn = _TURNS.get(exif.get(ExifTags.Base.Orientation, 1))
    except Exception:
        return picture
    return picture if turn is None else picture.transpose(turn)


def _forget_xmp(picture: Pillow.Image) -> None:
    """By which Pillow would turn a picture whose EXIF does not; browsers do not."""
    for name in ("xmp", "XML:com.adobe.xmp"):
        picture.info.pop(name, None)


def _rgb(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode.startswith("I;16") or picture.mode in ("I", "F"):
        picture = _eight_bit(picture)
    if picture.mode == "La":  # Pillow makes RGBA of no other grey than LA
        picture = picture.convert("LA")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Pillow.new("RGBA", picture.size, "white")
        return Pillow.alpha_composite(white, picture).convert("RGB")
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _eight_bit(picture: Pillow.Image) -> Pillow.Image:
    """16-bit and wider greys to 8 bits by scale; Pillow's own conversion would clip them to white.

    What a PNG says is transparent is white.
    """
    values = np.array(picture, np.float32)
    key = picture.info.get("transparency")
    clear = None if key is None else values == key
    low, high = float(values.min()), float(values.max())
    if not math.isfinite(low + high):  # as is the least or the greatest where any is no number
        raise ImageUndecodable("The image holds values that are not finite.")
    if picture.mode != "F":
        low, high = 0, next(top for top in (255, 65535, max(high, 65535)) if high <= top)
    elif low >= 0 and high <= 1:
        low, high = 0, 1
    values -= low  # in place: these may be the largest arrays of the process
    values *= 255 / max(high - low, 1e-12)
    np.rint(values.clip(0, 255, out=values), out=values)
    if clear is not None:
        values[clear] = 255
    return Pillow.fromarray(values.astype(np.uint8))


def _refusal(data: bytes) -> ImageTypeUnsupported | ImageUndecodable:
    head = data[:256].lstrip()
    if head[4:12] in (b"ftypavif", b"ftypavis"):
        return ImageUndecodable("The image is broken or cut off.")
    if head.startswith(b"<?xml"):
        head = head[max(0, head.find(b"<svg")) :]
    for offset, magic, name in _FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            return ImageTypeUnsupported(
                f"The image is of a type that is not read ({name}). "
                "Send JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF."
            )
    return ImageUndecodable("The bytes are not an image.")


def _too_many(limits: Limits) -> str:
    return f"The image has more than {limits.max_pixels / 1e6:g} million pixels."


def check_bytes(size: int, limits: Limits) -> None:
    """Raises `ImageTooLarge` for a file of so many bytes, if it is."""
    if size > limits.max_bytes:
        raise ImageTooLarge(
            f"The image has {size / 1e6:.3g} MB; at most {limits.max_bytes / 1e6:g} MB are read."
        )
