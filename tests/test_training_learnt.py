"""What a bundle knows of the photos that it learnt from."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from service.encoder.bundle import LEARNT, SHIPPED, Card, read_card
from service.encoder.write import move_bundle, write_bundle
from service.errors import BundleInvalid
from service.training.data import Sample, read_samples
from service.training.held_out import split
from service.training.learnt import learnt_before, learnt_by, written
from tests.test_bundles_written import write
from tests.test_cli import called
from tests.test_training import command


def photos(folder: Path, count: int = 200) -> list[Sample]:
    """Files of different sizes, without a picture in them."""
    folder.mkdir()
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(b"x" * (number + 1))
    return [Sample(folder / f"{n}.jpg", "photos", "Tee", str(n)) for n in range(count)]


def trained(folder: Path, samples: list[Sample], origin: str = "none") -> Card:
    """A bundle without a network that learnt from these."""
    data, said = written(samples, learnt_before(origin))
    return write_bundle(
        folder, network="{}", weights={}, learnt=data, name="small", version="1", labels=("a", "b"),
        input_size=32, feature_size=2, training={"learnt": said, "groups": ["sender"]},
    )  # fmt: skip


def doubt(bundle: Path, card: Card, samples: list[Sample]) -> str | None:
    return learnt_by(bundle, card).doubt(samples)


def test_photos_are_known_wherever_they_lie(tmp_path: Path) -> None:
    samples = photos(tmp_path / "here")
    card = trained(tmp_path / "bundle", samples[:100])
    assert doubt(tmp_path / "bundle", card, samples[100:]) is None
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    moved = [Sample(tmp_path / "there" / s.file.name, "other", "Tee", "1") for s in samples]
    said = doubt(tmp_path / "bundle", card, moved)
    assert said is not None
    assert said.startswith("small@1 learnt from 100 of the 200 photos of other: figures")
    assert said.endswith("trained on, with --group sender, others are held out.")


def test_another_file_of_that_name_and_one_that_is_gone_are_not_known(tmp_path: Path) -> None:
    samples = photos(tmp_path / "photos", 10)
    card = trained(tmp_path / "bundle", samples)
    for sample in samples[:9]:
        sample.file.write_bytes(b"another photo" * 50)
    samples[9].file.unlink()
    assert doubt(tmp_path / "bundle", card, samples) is None
    assert written(samples, learnt_before("none"))[1]["photos"] == 9


def test_a_few_may_look_like_others(tmp_path: Path) -> None:
    samples = photos(tmp_path / "photos")
    card = trained(tmp_path / "bundle", samples[:2])
    assert doubt(tmp_path / "bundle", card, samples) is None
    assert doubt(tmp_path / "bundle", card, samples[:199]) is not None


def test_what_is_known_by_accident_is_not_spoken_of(tmp_path: Path) -> None:
    """A `1.jpg` in each garment's folder, of one of 300 sizes."""
    chance, samples = random.Random(0), []
    for number in range(800):
        file = tmp_path / "photos" / str(number) / "1.jpg"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x" * chance.randint(1000, 1299))
        samples.append(Sample(file, "photos", "Tee", str(number)))
    card = trained(tmp_path / "bundle", samples[:400])
    assert doubt(tmp_path / "bundle", card, samples[400:]) is None
    said = doubt(tmp_path / "bundle", card, samples[:400])
    assert said is not None
    assert "from 400 of the 400 photos" in said


def test_a_small_source_is_not_lost_in_a_large_one(tmp_path: Path) -> None:
    mine = photos(tmp_path / "mine", 20)
    card = trained(tmp_path / "bundle", mine)
    others = [replace(s, source="big") for s in photos(tmp_path / "big", 3000)[20:]]
    said = doubt(tmp_path / "bundle", card, [*others, *mine])
    assert said is not None
    assert "from 20 of the 20 photos of photos:" in said


def test_what_it_began_with_it_learnt_from_as_well(tmp_path: Path) -> None:
    samples = photos(tmp_path / "photos")
    trained(tmp_path / "first", samples[:50])
    card = trained(tmp_path / "second", samples[50:100], str(tmp_path / "first"))
    assert card.training["learnt"]["photos"] == 100
    said = doubt(tmp_path / "second", card, samples[:100])
    assert said is not None
    assert "from 100 of the 100 photos" in said
    write(tmp_path / "of before")  # a bundle that does not say
    for name in ("of before", "of before/weights.safetensors"):
        card = trained(tmp_path / "third", samples[:50], str(tmp_path / name))
        assert card.training["learnt"]["photos"] == 50
        said = doubt(tmp_path / "third", card, samples[100:])
        assert said is not None
        assert "began with weights that do not" in said
    card = trained(tmp_path / "fourth", samples[:50], "imagenet")
    assert doubt(tmp_path / "fourth", card, samples[100:]) is None


def test_a_bundle_that_does_not_say_is_doubted(tmp_path: Path) -> None:
    card = write(tmp_path / "bundle")
    said = doubt(tmp_path / "bundle", card, photos(tmp_path / "photos", 2))
    assert said is not None
    assert said.startswith("small@1 does not say which photos it learnt from")


def test_what_is_held_out_but_was_learnt_from_before_is_said(drawn: Path, tmp_path: Path) -> None:
    """The same pictures by a table of another name, which are split in another way."""
    first = command(drawn / "garments.csv", tmp_path / "first")
    first[first.index("--epochs") + 1] = "1"
    environment = os.environ | {"FASHION_STUDIO_HOME": str(tmp_path / "home")}
    done = subprocess.run(first, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "learnt from" not in done.stderr
    table = tmp_path / "july.csv"
    shutil.copyfile(drawn / "garments.csv", table)
    second = command(
        table, tmp_path / "second", "--image-root", str(drawn), "--weights", str(tmp_path / "first")
    )
    second[second.index("--epochs") + 1] = "1"
    done = subprocess.run(second, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if "first@1 learnt from" in line)
    card = read_card(tmp_path / "second")
    assert card.training["doubt"] in line
    (tmp_path / "first" / LEARNT).unlink()
    done = subprocess.run(second, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "learnt.bin cannot be read: No such file or directory."
    )
    assert "reading photos" not in done.stderr


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
    assert f"from {len(training)} of the {len(training)} photos" in str(
        doubt(SHIPPED, card, training)
    )
    renamed = tmp_path / "ours.csv"
    renamed.write_text("".join(table.read_text().splitlines(keepends=True)[:200]))
    done = called(
        "evaluate", str(SHIPPED), "--data", str(renamed), "--image-root", str(real_photos),
        "--out", str(tmp_path / "out"),
    )  # fmt: skip
    saved = [(tmp_path / "out" / f"evaluation.{kind}").read_text() for kind in ("json", "html")]
    assert all(f"{card.title} learnt from" in text for text in (done.stderr, *saved))
