"""The seed project's four calls."""

from __future__ import annotations

import csv
import os
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
from sqlalchemy import text

from service import Counter, Recommender, save_all_features, save_all_labels
from service.artifacts import save
from service.catalog import register
from service.domain import Image, LabelConfidence, Prediction
from service.errors import (
    BundleInvalid,
    ImageMissing,
    InvalidParameter,
    LabelUnknown,
    SourceInvalid,
)
from service.ingest import ingest
from service.settings import Settings
from service.studio import Studio
from tests.bundles import write_variant
from tests.pictures import encoded


@pytest.fixture
def filled(settings: Settings, drawn: Path) -> Settings:
    with Studio(settings) as studio:
        ingest(studio, drawn / "garments.csv")
    return settings


def test_recommender(filled: Settings, drawn: Path) -> None:
    recommender = Recommender(filled)
    photo = sorted(drawn.glob("images/*.jpg"))[3]
    query, pictures, label = recommender.get_similar(photo, num_neighbors=2)
    assert query.shape[2] == 3
    assert query.dtype == np.uint8
    assert recommender.answer is not None
    assert label == recommender.answer.searched_labels[0]
    assert len(pictures) == len(recommender.answer.matches)
    assert recommender.show().size[0] > 500


def test_a_question_that_is_refused_leaves_the_answer_before_it(
    filled: Settings, drawn: Path
) -> None:
    first, other = sorted(drawn.glob("images/*.jpg"))[3:5]
    recommender = Recommender(filled)
    recommender.get_similar(first, num_neighbors=2)
    answer, shown = recommender.answer, recommender.show().tobytes()
    with pytest.raises(LabelUnknown):
        recommender.get_similar(other, label="Sari")
    assert recommender.answer is answer
    assert recommender.show().tobytes() == shown


def test_recommender_without_a_path_takes_any_garment(filled: Settings) -> None:
    recommender = Recommender(filled)
    _, pictures, label = recommender.get_similar(num_neighbors=2)
    assert len(pictures) == 2
    assert recommender.answer is not None
    assert recommender.answer.garment is not None
    assert recommender.answer.garment.label == label


def test_a_garment_whose_picture_is_gone_has_an_empty_one(
    filled: Settings, drawn: Path, tmp_path: Path
) -> None:
    photo = sorted(drawn.glob("images/*.jpg"))[3]
    settings = filled.model_copy(update={"image_root": str(tmp_path)})
    with Studio(filled) as studio, studio.engine.begin() as connection:
        connection.execute(text("UPDATE garment SET image_path = 'gone/' || id || '.jpg'"))
    recommender = Recommender(settings)
    _, pictures, _ = recommender.get_similar(photo, num_neighbors=2)
    assert [len(np.unique(picture.reshape(-1, 3), axis=0)) for picture in pictures] == [1, 1]
    query, _, _ = recommender.get_similar(num_neighbors=2)
    assert len(np.unique(query.reshape(-1, 3), axis=0)) == 1
    assert recommender.show().size[0] > 500


def test_counter(filled: Settings, drawn: Path, tmp_path: Path) -> None:
    counter = Counter(filled)
    counted = counter.count(dir_path=drawn / "images", k=2)
    labels = [label for _, label, _ in counter.images]
    assert counted == sorted(counted, key=lambda pair: -pair[1])
    assert all(count == labels.count(label) for label, count in counted)
    (tmp_path / "text.jpg").write_text("hello")
    photos = [*sorted(drawn.glob("images/*.jpg"))[:3], tmp_path / "text.jpg"]
    assert sum(count for _, count in counter.count(img_paths=photos)) == 3
    assert counter.errors[0][0].name == "text.jpg"
    assert counter.show().size[0] > 500
    for one in (photos[0], str(photos[0])):
        assert sum(count for _, count in counter.count(img_paths=one)) == 1


def test_a_count_that_is_stopped_leaves_the_one_before_it(
    filled: Settings, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = Counter(filled)
    first, *others = sorted(drawn.glob("images/*.jpg"))[:4]
    counter.count(img_paths=first)
    images, shown = counter.images, counter.show().tobytes()
    model, seen = counter.studio.model, iter((first, None))
    decode = model.decode

    def stopped(data: bytes) -> Image:
        if next(seen) is None:
            raise KeyboardInterrupt
        return decode(data)

    monkeypatch.setattr(model, "decode", stopped)
    with pytest.raises(KeyboardInterrupt):
        counter.count(img_paths=others)
    assert counter.images is images
    assert counter.show().tobytes() == shown


def test_what_is_no_photos_fault_ends_the_count(filled: Settings, drawn: Path) -> None:
    photos = sorted(drawn.glob("images/*.jpg"))[:2]
    without = Counter(filled.model_copy(update={"precision": "int8"}))
    with pytest.raises(BundleInvalid, match="has no int8 network"):
        without.count(img_paths=photos)


def test_a_count_of_no_photo_says_why_nothing_is_shown(filled: Settings, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    counter = Counter(filled)
    assert counter.count(dir_path=tmp_path) == []
    with pytest.raises(ImageMissing, match="No photo could be read, the first one because: "):
        counter.show()


def test_a_notebook_is_told_which_model_answers(filled: Settings, tmp_path: Path) -> None:
    card = write_variant(tmp_path / "other", "other", noise=0.1)
    facts = ("name", "version", "content_sha256", "labels", "input_size", "feature_size")
    with Studio(filled) as studio:
        register(studio.engine, **{fact: getattr(card, fact) for fact in facts})
    with pytest.warns(UserWarning, match="names other@2; the catalog's model is .*, which answers"):
        Recommender(filled.model_copy(update={"model": tmp_path / "other"}))


def test_counter_wants_one_of_its_arguments(filled: Settings) -> None:
    with pytest.raises(InvalidParameter, match="dir_path"):
        Counter(filled).count()


def test_the_seed_projects_files(
    home: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASHION_STUDIO_HOME", str(home))
    labels = save_all_labels(drawn / "images", None, tmp_path / "labels.csv")
    features = save_all_features(drawn / "images", None, tmp_path / "features.npz")
    rows = list(csv.DictReader(labels.open()))
    with np.load(features) as arrays:
        assert arrays["features"].shape == (33, 2048)
    assert len(rows) == 33
    assert all(0 <= int(row["category_label"]) < 11 for row in rows)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["features.npz", "labels.csv"]
    odd = tmp_path / "odd"
    odd.mkdir()
    data = next((drawn / "images").iterdir()).read_bytes()
    for name in (b"a.jpg", b"not-utf-8-\xff.jpg"):
        Path(os.fsdecode(bytes(odd) + b"/" + name)).write_bytes(data)
    labels = save_all_labels(odd, None, tmp_path / "labels.csv")
    assert [row["image_name"] for row in csv.DictReader(labels.open())] == ["a.jpg"]


def test_saved_features_are_the_networks_bit_by_bit_and_never_all_in_memory(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Numbers:
        """A network whose embedding is of random numbers, by the picture's brightness."""

        card = SimpleNamespace(labels=("Tee",), input_size=16)
        requests = 2

        def predict(self, pixels: np.ndarray) -> Prediction:
            random = np.random.default_rng(int(pixels.max()))
            return Prediction(
                (LabelConfidence("Tee", 1.0),), random.standard_normal(2048, np.float32)
            )

    monkeypatch.setattr(save, "load_encoder", lambda settings: Numbers())
    for shade in range(1, 10):
        (tmp_path / f"{shade}.png").write_bytes(
            encoded(PIL.Image.new("RGB", (16, 16), (shade,) * 3))
        )
    rows = 3000
    shades = [at % 10 for at in range(rows)]  # there is no 0.png
    (tmp_path / "t.csv").write_text("image_name\n" + "".join(f"{n}.png\n" for n in shades))
    tracemalloc.start()
    file = save_all_features(tmp_path / "t.csv", None, tmp_path / "features.npz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < rows * 2048 * 4 / 2
    by_shade = [np.random.default_rng(n).standard_normal(2048, np.float32) for n in range(10)]
    with np.load(file) as arrays:
        assert arrays.files == ["features"]
        features = arrays["features"]
    assert (features.dtype, features.flags.c_contiguous) == (np.float32, True)
    assert np.array_equal(features, np.stack([by_shade[n] for n in shades if n]))


def test_features_of_no_photo_are_refused_and_leave_no_file(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASHION_STUDIO_HOME", str(home))
    (tmp_path / "t.csv").write_text("image_name\nmissing.png\n")
    with pytest.raises(SourceInvalid, match="no photo that can be read"):
        save_all_features(tmp_path / "t.csv", None, tmp_path / "features.npz")
    (tmp_path / "labels.csv").write_text("of last month")
    with pytest.raises(SourceInvalid, match="no photo that can be read"):
        save_all_labels(tmp_path / "t.csv", None, tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text() == "of last month"
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".csv" and p.is_file()] == []
