"""Photos behind a URL are trained on, evaluated and calibrated with as those of a folder are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from service.decode import Limits
from service.encoder.bundle import SHIPPED, read_card
from service.errors import StorageUnavailable
from service.gates import report_gates
from service.ingest import ingest
from service.settings import Settings
from service.storage import Location, locate
from service.studio import Studio
from service.training.calibrate import calibrate
from service.training.data import Sample, names_of, read_samples
from service.training.evaluate import evaluate
from service.training.held_out import selected, split
from service.training.pixels import load_pixels
from tests.store import BUCKET, ObjectStore

TABLE = f"s3://{BUCKET}/drawn/garments.csv"


@pytest.fixture
def filled(store: ObjectStore, drawn: Path) -> ObjectStore:
    """The drawn garments under `drawn/`, and a table of them under `lists/`."""
    store.files.put(str(drawn / "images"), f"{BUCKET}/drawn/", recursive=True)
    for folder in ("drawn", "lists"):
        store.files.put_file(str(drawn / "garments.csv"), f"{BUCKET}/{folder}/garments.csv")
    return store


def told(samples: list[Sample], root: Location) -> list[tuple]:
    """Samples without where they lie."""
    return [
        (s.file.relative_to(root).as_posix() if isinstance(s.file, Path) else s.name,
         s.source, s.label, s.group, s.garment, s.columns)
        for s in samples
    ]  # fmt: skip


@pytest.mark.usefixtures("filled")
def test_samples_are_those_of_the_folder(drawn: Path) -> None:
    how = {"groups": ["garment"], "garment": "garment"}
    near = read_samples([drawn / "garments.csv"], **how)
    far = read_samples([locate(TABLE)], **how)
    listed = read_samples(
        [locate(f"s3://{BUCKET}/lists/garments.csv")],
        image_root=locate(f"s3://{BUCKET}/drawn"),
        **how,
    )
    assert len(near) == 33
    assert told(near, drawn) == told(far, drawn) == told(listed, drawn)
    assert {str(s.file).startswith(f"s3://{BUCKET}/drawn/images/") for s in listed} == {True}
    for near_side, far_side in zip(split(near), split(far), strict=True):
        assert told(near_side, drawn) == told(far_side, drawn)
        few = [selected(s, labels={"Tee", "Top"}, at_most=1) for s in (near_side, far_side)]
        assert told(few[0], drawn) == told(few[1], drawn)


@pytest.mark.usefixtures("filled")
def test_a_source_is_called_as_its_folder_or_bucket() -> None:
    urls = (TABLE, f"s3://{BUCKET}/drawn/", f"s3://{BUCKET}", f"s3://{BUCKET}/lists/garments.csv")
    assert list(names_of([*map(locate, urls), Path("/")])) == [
        "garments", "drawn", BUCKET, "garments-2", "",
    ]  # fmt: skip


def test_figures_and_calibration_are_those_of_the_folder(
    filled: ObjectStore, home: Path, drawn: Path, tmp_path: Path
) -> None:
    settings = Settings(home=home)
    sources: list[Location] = [drawn / "garments.csv", locate(TABLE)]
    near, far = (evaluate(SHIPPED, settings, read_samples([source])) for source in sources)
    assert near == far
    cards = []
    for number, source in enumerate(sources):
        bundle = Path(shutil.copytree(SHIPPED, tmp_path / str(number)))
        filled.asked.clear()
        calibrate(settings, bundle, [source], groups=["garment"])
        cards.append(read_card(bundle).calibration)
    assert cards[0] == cards[1] != read_card(SHIPPED).calibration
    photos = [method for method, path in filled.asked if path.endswith(".jpg")]
    assert photos.count("GET") <= 33 + 2  # files of equal size are compared
    assert photos.count("HEAD") == 2 * 33 + 6  # and whether it learnt from those that are held out


def test_pictures_are_those_of_the_folder_and_kept(
    filled: ObjectStore, drawn: Path, tmp_path: Path
) -> None:
    near, far = (read_samples([s])[:8] for s in (drawn / "garments.csv", locate(TABLE)))
    _, here = load_pixels(near, 40, Limits(), tmp_path, lambda done, total: None)
    _, there = load_pixels(far, 40, Limits(), tmp_path, lambda done, total: None)
    assert np.array_equal(here, there)
    filled.asked.clear()
    load_pixels(far, 40, Limits(), tmp_path, lambda done, total: None)
    assert [method for method, _ in filled.asked] == ["HEAD"] * 8
    filled.files.pipe_file(f"{BUCKET}/{far[0].file.path.partition('/')[2]}", b"another")
    kept, _ = load_pixels(far, 40, Limits(), tmp_path, lambda done, total: None)
    assert kept == far[1:]


def test_a_store_that_is_away_leaves_no_photo_out(
    filled: ObjectStore, studio: Studio, drawn: Path, tmp_path: Path
) -> None:
    """Or a bundle would be measured on, or trained with, the photos that happened to come through."""
    samples = read_samples([locate(TABLE)])
    ingest(studio, drawn / "garments.csv")

    def leave(*_: object) -> None:
        filled.stop()

    for work in (
        lambda: evaluate(SHIPPED, studio.settings, samples, progress=leave),
        lambda: load_pixels(samples, 40, Limits(), tmp_path, leave),
        lambda: report_gates(studio, [locate(TABLE)], progress=leave),
    ):
        with pytest.raises(StorageUnavailable, match="does not answer"):
            work()
        filled.start()
    assert not [file for file in tmp_path.iterdir() if file.suffix != ".lock"]
