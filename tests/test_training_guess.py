"""`train --guess`: what photos do not say of themselves, by those that do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.encoder.bundle import SHIPPED, read_card
from service.errors import InvalidParameter, TrainingImpossible
from service.settings import Settings
from service.training.data import Sample, read_samples
from service.training.guess import guessed, require_bundle
from tests.test_cli import called

WHOLE = {"Dress", "Jumpsuit", "Romper"}


def samples_of(drawn: Path) -> list[Sample]:
    """With a column `cut` that says which garments are in one piece, each once more without it, and a picture
    of nothing that the column is known of, and wrongly."""
    plain = [replace(s, columns={}) for s in read_samples([drawn / "garments.csv"])]
    told = [replace(s, columns={"cut": "whole" if s.label in WHOLE else "upper"}) for s in plain]
    nothing = replace(plain[0], label=None, outlier=True)
    return [*plain, *told, replace(nothing, columns={"cut": "none"}), nothing]


def test_what_a_photo_lacks_is_guessed_by_those_that_have_it(
    drawn: Path, home: Path, tmp_path: Path
) -> None:
    samples, kept = samples_of(drawn), tmp_path / "guessed.json"
    said, counts = guessed(samples, ["cut"], SHIPPED, Settings(home=home), kept, lambda n, of: None)
    assert [replace(s, columns={}) for s in said] == [replace(s, columns={}) for s in samples]
    asked = [n for n, sample in enumerate(samples) if "cut" not in sample.columns]
    right = ["whole" if samples[n].label in WHOLE else "upper" for n in asked[:-1]]
    assert [said[n].columns["cut"] for n in asked[:-1]] == right
    assert said[-1].columns == {}, "a picture of nothing has no cut"
    assert counts == {"cut": len(right)}
    assert all(
        said[n].columns == sample.columns for n, sample in enumerate(samples) if sample.columns
    )
    # A run that goes on asks what was kept, not the network again
    kept.write_text(json.dumps({"cut": {str(asked[0]): "sideways"}}))
    again, counts = guessed(
        samples, ["cut"], SHIPPED, Settings(home=home), kept, lambda n, of: pytest.fail("asked")
    )
    assert (again[asked[0]].columns, counts) == ({"cut": "sideways"}, {"cut": 1})


def test_a_guess_that_is_not_sure_is_none(drawn: Path, home: Path, tmp_path: Path) -> None:
    """Values that nothing in the picture tells."""
    values, rng = list("abcdefgh") * 3, np.random.default_rng(0)
    rng.shuffle(values)
    samples = [
        replace(sample, columns={"lot": values[n]} if n < len(values) else {})
        for n, sample in enumerate(read_samples([drawn / "garments.csv"]))
    ]
    _, counts = guessed(
        samples, ["lot"], SHIPPED, Settings(home=home), tmp_path / "kept", lambda n, of: None
    )
    assert counts == {"lot": 0}


def test_a_column_of_one_value_cannot_be_guessed(drawn: Path, home: Path, tmp_path: Path) -> None:
    samples = [
        replace(sample, columns={"cut": "upper" if n > 2 else "whole"} if n else {})
        for n, sample in enumerate(read_samples([drawn / "garments.csv"])[:9])
    ]
    with pytest.raises(
        TrainingImpossible, match=r"--guess cut: .* 3 or more show fewer than two values"
    ):
        guessed(samples, ["cut"], SHIPPED, Settings(home=home), tmp_path / "k", lambda n, of: None)
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize("origin", ["none", "imagenet", "weights.safetensors"])
def test_who_guesses_is_a_bundle(origin: str) -> None:
    with pytest.raises(InvalidParameter, match="--weights shipped or BUNDLE"):
        require_bundle(origin)
    assert require_bundle("shipped") == SHIPPED


def test_where_all_is_frozen_and_nothing_lacks_that_is_said(drawn: Path, tmp_path: Path) -> None:
    done = called(
        "train", "--data", str(drawn / "garments.csv"), "--group", "garment", "--frozen", "1", "--batch", "4",
        "--backbone", "efficientnetlite0", "--weights", "shipped", "--sizes", "32",
        "--out", str(tmp_path / "bundle"),
    )  # fmt: skip
    assert done.returncode == 1
    assert "nothing is left to learn. Give less." in done.stderr
    assert not (tmp_path / "bundle").exists()


@pytest.mark.timeout(600)
def test_a_run_says_how_many_it_guessed(drawn: Path, home: Path, tmp_path: Path) -> None:
    """A table without the column beside one that has it."""
    plain = tmp_path / "plain.csv"
    rows = [
        ",".join(line.split(",")[:3]) for line in (drawn / "garments.csv").read_text().splitlines()
    ]
    plain.write_text("\n".join(rows))
    done = called(
        "train", "--data", str(plain), "--data", str(drawn / "garments.csv"), "--image-root", str(drawn),
        "--group", "garment", "--garment", "garment", "--alike", "sleeve=2", "--alike", "category_label=3",
        "--guess", "sleeve", "--backbone", "efficientnetlite0", "--weights", "shipped", "--sizes", "32",
        "--epochs", "1", "--batch", "4", "--out", str(tmp_path / "bundle"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    training = read_card(tmp_path / "bundle").training
    assert training["alike"] == {"sleeve": 2.0, "category_label": 3.0}
    assert 0 < training["guessed"]["sleeve"] <= training["sources"]["plain"]
