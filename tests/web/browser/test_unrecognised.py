"""Pictures that the shipped network itself turns down: noise, and photos of trousers and shoes."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from playwright.sync_api import expect

from service.decode import Limits, decode, fit
from service.encoder import Encoder
from service.encoder.bundle import SHIPPED, read_card
from service.encoder.calibration import read_detector

from ...conftest import REAL_PHOTOS
from ...pictures import encoded
from .finding import CHOOSE, answered, cards
from .visitor import Visitor

NEAR = 0.5  # a picture whose score is so near to the threshold proves little
TRIED = 24


def noise(seed: int) -> bytes:
    """Clouds of colour without an edge: a dozen random dots each way, made large and smooth."""
    dots = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return encoded(Pillow.fromarray(dots).resize((360, 360), Pillow.Resampling.BICUBIC))


def other_clothes() -> list[bytes]:
    """Real photos of what is none of the categories."""
    table = REAL_PHOTOS / "labels.csv"
    if not table.exists():
        pytest.skip(f"no real photos at {REAL_PHOTOS}")
    with table.open(encoding="utf-8", newline="") as lines:
        names = [
            line["image_name"]
            for line in csv.DictReader(lines)
            if line["original_label"] in ("Shoes", "Pants") and not line["category_label"]
        ]
    return [(REAL_PHOTOS / name).read_bytes() for name in names[:TRIED]]


def strangest(encoder: Encoder, pictures: Iterable[bytes]) -> bytes:
    """The one that the shipped bundle turns down with the widest margin."""
    card = read_card(SHIPPED)
    detector = read_detector(SHIPPED, card.calibration)
    assert detector is not None
    side = card.input_size
    scored = []
    for data in pictures:
        prediction = encoder.predict(fit(decode(data, Limits(), side=side).pixels, side))
        score = detector.scores(prediction.embedding[np.newaxis].astype(np.float32))[0]
        scored.append((float(score), data))
    score, data = min(scored)
    print(f"score {score:.2f}, turned down below {detector.threshold:.2f}")
    assert score < detector.threshold - NEAR
    return data


@pytest.fixture(scope="module", params=["noise", "clothes"])
def strange(
    request: pytest.FixtureRequest, encoder: Encoder, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    pictures = map(noise, range(TRIED)) if request.param == "noise" else other_clothes()
    file = tmp_path_factory.mktemp("strange") / f"{request.param}.png"
    file.write_bytes(strangest(encoder, pictures))
    return file


def test_a_photo_without_a_garment_is_met_kindly(visitor: Visitor, strange: Path) -> None:
    page = visitor.open("/")
    page.set_input_files(CHOOSE, strange)
    expect(page.locator("#query-label")).to_have_text("No garment recognised")
    expect(page.locator("#query-note")).to_contain_text("crop to it")
    expect(page.locator("#matches-title")).to_have_text("What is it?")
    assert cards(page) == 0
    assert page.locator("#labels button").count() == 4  # three guesses, and all
    assert page.locator("#labels [aria-pressed=true]").count() == 0
    visitor.look(f"unrecognised-{strange.stem}")
    page.get_by_role("button", name="Show the nearest anyway").click()
    answered(page)
    expect(page.locator("#matches-title")).to_have_text("Most like it in all categories")
    expect(page.locator("#query-label")).to_have_text("No garment recognised")
    assert cards(page) == 24
    visitor.look(f"unrecognised-{strange.stem}-nearest")


def test_in_a_set_it_is_shown_and_not_counted(visitor: Visitor, strange: Path, drawn: Path) -> None:
    page = visitor.open("/sets")
    dresses = sorted(drawn.rglob("*dress*.jpg"))
    page.set_input_files("#home input[multiple] >> nth=0", [strange, *dresses])
    expect(page.locator("#set-title")).to_have_text(f"{1 + len(dresses)} photos")
    expect(page.locator("#set-note")).to_contain_text("No garment is recognised on 1")
    expect(page.locator("#images .caption").first).to_have_text("No garment")
    counted = [int(text.split(" · ")[0]) for text in page.locator("#top .number").all_inner_texts()]
    assert sum(counted) == len(dresses)
    visitor.look(f"set-{strange.stem}")


def test_it_is_not_taken_into_the_catalog_unasked(visitor: Visitor, strange: Path) -> None:
    visitor.forgiven.append("status of 422")
    page = visitor.open("/catalog")
    page.locator("input[multiple]").first.set_input_files(strange)
    expect(page.get_by_role("heading", name="0 photos added")).to_be_visible()
    expect(page.locator("#adding-wrong")).to_contain_text("Give the photo a label")
    visitor.look(f"catalog-{strange.stem}")
