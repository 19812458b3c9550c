"""What a bundle knows of the photos that it learnt from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from service.encoder.bundle import LEARNT, SHIPPED, Card, read_card
from service.encoder.write import move_bundle, write_bundle
from service.errors import BundleInvalid
from service.training.data import Sample, read_samples
from service.training.held_out import split
from service.training.learnt import doubt, marks, written
from tests.test_bundles_written import write
from tests.test_cli import called


def photos(folder: Path, count: int = 200) -> list[Sample]:
    """Files of different sizes, without a picture in them."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(b"x" * (number + 1))
    return [Sample(folder / f"{n}.jpg", "photos", "Tee", str(n)) for n in range(count)]


def trained(folder: Path, samples: list[Sample], origin: str = "none") -> Card:
    """A bundle without a network that learnt from these."""
    data, said = written(samples, origin)
    return write_bundle(
        folder, network="{}", weights={}, learnt=data, name="small", version="1", labels=("a", "b"),
        input_size=32, feature_size=2, training={"learnt": said, "groups": ["sender"]},
    )  # fmt: skip


def test_photos_are_known_wherever_they_lie(tmp_path: Path) -> None:
    samples = photos(tmp_path / "here")
    card = trained(tmp_path / "bundle", samples[:100])
    assert doubt(tmp_path / "bundle", card, samples[100:]) is None
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    moved = [Sample(tmp_path / "there" / s.file.name, "other", "Tee", "1") for s in samples]
    said = doubt(tmp_path / "bundle", card, moved)
    assert said is not None
    assert said.startswith("small@1 learnt from 100 of these 200 photos, and figures")
    assert said.endswith("trained on, with --group sender, others are held out.")


def test_another_file_of_that_name_and_one_that_is_gone_are_not_known(tmp_path: Path) -> None:
    samples = photos(tmp_path / "photos", 10)
    card = trained(tmp_path / "bundle", samples)
    for sample in samples[:9]:
        sample.file.write_bytes(b"another photo" * 50)
    samples[9].file.unlink()
    assert marks(samples)[9] == 0
    assert doubt(tmp_path / "bundle", card, samples) is None


def test_a_few_may_look_like_others(tmp_path: Path) -> None:
    samples = photos(tmp_path / "photos")
    card = trained(tmp_path / "bundle", samples[:2])
    assert doubt(tmp_path / "bundle", card, samples) is None
    assert doubt(tmp_path / "bundle", card, samples[:199]) is not None


def test_what_it_began_with_it_learnt_from_as_well(tmp_path: Path) -> None:
    samples = photos(tmp_path / "photos")
    trained(tmp_path / "first", samples[:50])
    card = trained(tmp_path / "second", samples[50:100], str(tmp_path / "first"))
    assert card.training["learnt"]["photos"] == 100
    said = doubt(tmp_path / "second", card, samples[:100])
    assert said is not None
    assert "from 100 of these 100" in said
    write(tmp_path / "of before")  # a bundle that does not say
    card = trained(tmp_path / "third", samples[:50], str(tmp_path / "of before"))
    assert card.training["learnt"]["photos"] == 50


def test_a_bundle_that_does_not_say_is_doubted(tmp_path: Path) -> None:
    card = write(tmp_path / "bundle")
    said = doubt(tmp_path / "bundle", card, photos(tmp_path / "photos", 2))
    assert said is not None
    assert said.startswith("small@1 does not say which photos it learnt from.")


def test_what_was_altered_or_is_gone_is_said(tmp_path: Path) -> None:
    samples = photos(tmp_path / "photos", 3)
    trained(tmp_path / "made", samples)
    bundle = tmp_path / "bundle"
    move_bundle(tmp_path / "made", bundle)
    card = read_card(bundle)
    (bundle / LEARNT).write_bytes(b"1234")
    with pytest.raises(BundleInvalid, match=r"learnt\.bin was altered"):
        doubt(bundle, card, samples)
    (bundle / LEARNT).unlink()
    with pytest.raises(BundleInvalid, match=r"learnt\.bin cannot be read: No such file"):
        doubt(bundle, card, samples)


def test_the_shipped_bundle_knows_the_photos_that_it_learnt_from(
    real_photos: Path, home: Path, tmp_path: Path
) -> None:
    table, card = real_photos / "labels.csv", read_card(SHIPPED)
    training, held_out = split(read_samples([table], groups=["sender_id"]))
    assert doubt(SHIPPED, card, held_out) is None
    assert f"from {len(training)} of these" in str(doubt(SHIPPED, card, training))
    renamed = tmp_path / "ours.csv"
    renamed.write_text("".join(table.read_text().splitlines(keepends=True)[:200]))
    done = called(
        "evaluate", str(SHIPPED), "--data", str(renamed), "--image-root", str(real_photos),
        "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert "lite0-fashion@3 learnt from" in done.stderr
