"""Photos as the world sends them, and files that are none."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from service.decode import PAD, Limits, decode, fit, read
from service.errors import (
    FashionStudioError,
    ImageTooLarge,
    ImageTypeUnsupported,
    ImageUndecodable,
)
from tests.pictures import encoded, picture, png_header

LIMITS = Limits()


def pixels(data: bytes) -> np.ndarray:
    return decode(data, LIMITS).pixels


@pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG", "AVIF"])
def test_every_supported_format_gives_rgb(format: str) -> None:
    found = pixels(encoded(picture(), format))
    assert found.shape == (80, 60, 3)
    assert found.dtype == np.uint8


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation: int) -> None:
    turned_by = {
        1: None,
        2: Pillow.Transpose.FLIP_LEFT_RIGHT,
        3: Pillow.Transpose.ROTATE_180,
        4: Pillow.Transpose.FLIP_TOP_BOTTOM,
        5: Pillow.Transpose.TRANSPOSE,
        6: Pillow.Transpose.ROTATE_90,
        7: Pillow.Transpose.TRANSVERSE,
        8: Pillow.Transpose.ROTATE_270,
    }[orientation]
    upright = picture()
    stored = upright if turned_by is None else upright.transpose(turned_by)
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(pixels(encoded(stored, "PNG", exif=exif)), np.asarray(upright))


@pytest.mark.parametrize("exif", [None, 1, 6])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_xmp_turns_nothing(format: str, exif: int | None) -> None:
    """As in browsers. It may stand beside EXIF that tells of other things."""
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    tags = Pillow.Exif()
    tags[0x010F] = "a camera"
    if exif is not None:
        tags[0x0112] = exif
    options: dict[str, object] = {"exif": tags}
    if format == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    elif format == "TIFF":
        options = {"tiffinfo": {700: xmp, **({} if exif is None else {274: exif})}}
    else:
        options["xmp"] = xmp
    stored = encoded(picture(), format, **options)
    assert pixels(stored).shape == ((60, 80, 3) if exif == 6 else (80, 60, 3))


def test_xmp_alone_turns_nothing() -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    assert pixels(encoded(picture(), "JPEG", xmp=xmp)).shape == (80, 60, 3)


def test_grey_with_its_alpha_multiplied_lies_on_white() -> None:
    """A TIFF of two samples a pixel, whose ExtraSamples say so; Pillow writes none."""
    tags = [
        (256, 3, 1, 2), (257, 3, 1, 1), (258, 3, 2, 8 | 8 << 16), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, 1, 8 + 2 + 12 * 10 + 4), (277, 3, 1, 2), (278, 3, 1, 1), (279, 4, 1, 4),
        (338, 3, 1, 1),
    ]  # fmt: skip
    data = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    data += b"".join(struct.pack("<HHII", *tag) for tag in tags) + struct.pack("<I", 0)
    found = pixels(data + bytes([100, 255, 50, 128]))
    assert found[0, 0].tolist() == [100] * 3
    assert abs(int(found[0, 1, 0]) - (50 + 255 - 128)) <= 1


def test_cmyk_keeps_its_colours() -> None:
    found = pixels(encoded(Pillow.new("RGB", (40, 40), (200, 30, 30)).convert("CMYK"), "JPEG"))
    assert np.abs(found.mean((0, 1)) - (200, 30, 30)).max() < 12


def test_palette_with_transparency_lies_on_white() -> None:
    image = Pillow.new("P", (20, 20), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(1, (0, 0, 10, 20))
    found = pixels(encoded(image, "PNG", transparency=0))
    assert tuple(found[5, 15]) == (255, 255, 255)
    assert tuple(found[5, 5]) == (0, 0, 255)


def test_alpha_lies_on_white() -> None:
    found = pixels(encoded(Pillow.new("RGBA", (10, 10), (0, 0, 0, 0)), "PNG"))
    assert (found == 255).all()


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(8, 0)
    found = pixels(encoded(Pillow.fromarray(ramp), "PNG"))
    assert abs(int(found[0, 32, 0]) - 129) <= 2
    assert found[0, 0, 0] == 0
    assert found[0, 63, 0] == 255


def test_wider_greys_are_scaled_as_well() -> None:
    ramp = np.linspace(0, 2**31 - 1, 65).astype(np.int32)[None].repeat(8, 0)
    found = pixels(encoded(Pillow.fromarray(ramp), "TIFF"))
    assert found[0, [0, 32, 64], 0].tolist() == [0, 128, 255]


def test_a_grey_that_a_deep_png_calls_transparent_is_white() -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(8, 0)
    found = pixels(encoded(Pillow.fromarray(ramp), "PNG", transparency=0))
    assert found[0, [0, 1, 63], 0].tolist() == [255, 4, 255]


def test_values_that_are_no_numbers_are_said_to_be_so() -> None:
    values = np.array([[0.5, np.nan]], np.float32)
    with pytest.raises(ImageUndecodable, match=r"^The image holds values that are not finite\.$"):
        pixels(encoded(Pillow.fromarray(values), "TIFF"))


def test_animation_gives_its_first_frame() -> None:
    red, blue = (Pillow.new("RGB", (30, 30), colour) for colour in ("red", "blue"))
    found = pixels(encoded(red, "GIF", save_all=True, append_images=[blue]))
    assert tuple(found[0, 0]) == (255, 0, 0)


def test_large_jpeg_is_decoded_at_a_fraction() -> None:
    data = encoded(picture(1600, 2000), "JPEG")
    small = decode(data, LIMITS, side=100).pixels
    assert 200 <= min(small.shape[:2]) < 1600
    difference = fit(small, 100).astype(int) - fit(pixels(data), 100)
    assert np.abs(difference).mean() < 2


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (b"", ImageUndecodable, "0 bytes"),
        (b"just some text", ImageUndecodable, "not an image"),
        (encoded(picture(), "JPEG")[:900], ImageUndecodable, "cut off"),
        (encoded(Pillow.effect_noise((400, 400), 80), "PNG")[:2000], ImageUndecodable, "cut off"),
        (b"\x00\x00\x00\x18ftypheic" + b"\0" * 40, ImageTypeUnsupported, "HEIC"),
        (b"%PDF-1.7 and so on", ImageTypeUnsupported, "PDF"),
        (png_header(20_000, 20_000), ImageTooLarge, "more than 50 million pixels"),
    ],
)
def test_what_is_no_photo_is_refused_in_one_line(
    data: bytes, error: type[FashionStudioError], words: str
) -> None:
    with pytest.raises(error, match=words) as raised:
        pixels(data)
    assert "\n" not in str(raised.value)


def test_bytes_are_capped_before_the_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "large.jpg"
    file.write_bytes(b"\0" * 2000)
    with pytest.raises(ImageTooLarge, match="at most"):
        read(file, Limits(max_bytes=1000))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageUndecodable, match=r"gone\.jpg cannot be read"):
        read(tmp_path / "gone.jpg", LIMITS)


def test_fit_keeps_proportions_and_pads_with_grey() -> None:
    square = fit(np.full((40, 20, 3), 255, np.uint8), 64)
    assert square.shape == (64, 64, 3)
    assert (square[:, 20:44] > 250).all()
    assert (square[:, :14] == PAD).all()
    assert (square[:, 50:] == PAD).all()


def test_exif_that_cannot_be_read_says_nothing() -> None:
    whole = encoded(picture(), "PNG")
    garbage = b"AAAAAAAA"
    chunk = (
        struct.pack(">I", 8) + b"eXIf" + garbage + struct.pack(">I", zlib.crc32(b"eXIf" + garbage))
    )
    end = whole.index(b"IDAT") - 4
    assert np.array_equal(pixels(whole[:end] + chunk + whole[end:]), np.asarray(picture()))


def test_large_pictures_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []

    class Turn:
        def __enter__(self) -> None:
            turns.append("in")

        def __exit__(self, *_: object) -> None:
            turns.append("out")

    monkeypatch.setattr("service.decode._large", Turn())
    pixels(encoded(picture(100, 100)))
    assert turns == []
    monkeypatch.setattr("service.decode.LARGE", 9_999)
    pixels(encoded(picture(100, 100)))
    assert turns == ["in", "out"]


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (encoded(picture(), "AVIF")[:100], ImageUndecodable, "broken or cut off"),
        (b"<?xml version='1.0'?>\n<svg xmlns='x'></svg>", ImageTypeUnsupported, "SVG"),
        (b"\x00\x00\x00\x0cjP  \r\n\x87\n", ImageTypeUnsupported, "JPEG 2000"),
        (b"\xff\x0a" + bytes(20), ImageTypeUnsupported, "JPEG XL"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(
    data: bytes, error: type[FashionStudioError], words: str
) -> None:
    with pytest.raises(error, match=words):
        pixels(data)


def test_a_name_that_no_file_can_have_is_a_photo_that_cannot_be_read() -> None:
    with pytest.raises(ImageUndecodable, match="cannot be read: embedded null byte"):
        read(Path("a\0b.jpg"), LIMITS)
