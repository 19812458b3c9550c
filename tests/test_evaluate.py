"""Figures against cases that are known, and the command's documents."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.encoder.bundle import SHIPPED
from service.errors import SourceInvalid
from service.settings import Settings
from service.training.data import Sample, read_samples, telling
from service.training.evaluate import evaluate
from service.training.figures import (
    auroc,
    auroc_interval,
    calibration_error,
    neighbours,
    reliability,
    wilson,
    wilson_mean,
)
from service.training.held_out import split
from service.training.observe import Observed
from service.training.retrieval import retrieval_figures
from tests.bundles import TITLE
from tests.test_cli import assert_one_line, called
from tests.test_encoder import change_card


def test_auroc_of_known_cases() -> None:
    assert auroc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1
    assert auroc(np.array([1.0]), np.array([1.0])) == 0.5
    assert auroc(np.array([1.0, 3.0]), np.array([0.0, 2.0, 4.0])) == 0.5


def test_an_interval_is_of_shares() -> None:
    for photos in range(1, 200):
        assert math.copysign(1, wilson(0, photos)[0]) == 1  # and not -0.00
        assert wilson(photos, photos)[1] <= 1
    assert wilson(8, 10) == pytest.approx((0.490, 0.943), abs=1e-3)


def test_calibration_error_of_a_known_case() -> None:
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
    truth = np.array([0] * 5 + [1] * 5 + [0] * 6 + [1] * 4)
    bins = reliability(probabilities, truth)
    assert bins == [(pytest.approx(0.6), 0.6, 10), (pytest.approx(0.9), 0.5, 10)]
    assert calibration_error(bins) == pytest.approx(0.2)


def test_neighbours_are_those_of_all_comparisons() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1500, 8))  # more than one block
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    similarities = rows @ rows.T
    np.fill_diagonal(similarities, -np.inf)
    assert np.array_equal(neighbours(rows, 3), np.argsort(-similarities, axis=1)[:, :3])
    assert neighbours(rows[:2], 3).tolist() == [[1, -1, -1], [0, -1, -1]]


def test_intervals_of_means_hold_what_they_should() -> None:
    """Each is drawn anew 400 times from what is known: some 95 of a hundred intervals have it."""
    chance = np.random.default_rng(0)
    shares = wilson_mean(np.array([1.0] * 8 + [0.0] * 2))
    assert shares == pytest.approx(wilson(8, 10))
    assert wilson_mean(np.ones(5)) == pytest.approx(wilson(5, 5))
    means, areas = 0, 0
    for _ in range(400):
        low, high = wilson_mean(chance.binomial(9, 0.8, 60) / 9)
        means += low <= 0.8 <= high
        # Of normal scores sqrt(2) apart the area is that of a standard normal below 1
        low, high = auroc_interval(chance.normal(2**0.5, size=80), chance.normal(size=60))
        areas += low <= 0.841345 <= high
    assert 370 <= means <= 390
    assert 370 <= areas <= 390
    low, high = auroc_interval(np.array([2.0, 3.0, 4.0]), np.array([0.0, 1.0]))
    assert (low, high) == pytest.approx(wilson(2, 2)), "where all are told apart"


def test_retrieval_of_a_known_case() -> None:
    """Two garments of two views and one of one view, on a circle; the other label lies apart."""
    angles = np.radians([0, 1, 20, 21, 40, 180, 182])
    features = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    garments = ["1", "1", "2", "2", "3", "4", "5"]
    colours = ["red", "red", "red", "red", "blue", "red", "blue"]
    part = Observed(
        tuple(
            Sample(Path("x"), "s", "T", g, {"garment": g, "family": c})
            for g, c in zip(garments, colours, strict=True)
        ),
        features,
        np.zeros((7, 2), np.float32),
        np.array([0, 0, 0, 0, 0, 1, 1]),
    )
    figures = retrieval_figures(part, "garment", ("family", "pattern"))
    assert figures["same_garment"]["photos"] == 4
    assert figures["same_garment"]["recall_at_1"] == 1
    # Of nine others, five at most: three of the same category, two of the other; and so on
    assert figures["precision_at_9"] == pytest.approx(
        np.mean([3 / 5] * 4 + [4 / 6] + [1 / 6] * 2), abs=1e-4
    )
    low, high = figures["precision_at_9_interval_95"]
    assert 0.25 < low < figures["precision_at_9"] < high < 0.75
    assert figures["attributes"] == {
        "family": {
            "agreement": pytest.approx(np.mean([2 / 3] * 4 + [0, 0, 0]), abs=1e-4),
            "agreement_interval_95": pytest.approx(
                wilson_mean(np.array([2 / 3] * 4 + [0, 0, 0])), abs=1e-4
            ),
            "chance": pytest.approx(np.mean([2 / 3] * 4 + [0, 0, 0]), abs=1e-4),
            "best": pytest.approx(np.mean([2 / 3] * 4 + [0, 0, 0]), abs=1e-4),
        }
    }
    assert retrieval_figures(part, "sender", ())["same_garment"] is None
    twice = Observed(*(np.concatenate([a, a]) if isinstance(a, np.ndarray) else a + a for a in (
        part.samples, part.features, part.logits, part.truth
    )))  # fmt: skip
    assert retrieval_figures(twice, "garment", ("family", "pattern")) == figures, (
        "copies find copies"
    )


def test_the_best_order_is_told_beside_what_chance_would_give() -> None:
    """Twelve garments in a row, red and blue in turn: of nine neighbours five may agree."""
    angles = np.radians(np.arange(12) * 3 + np.arange(12) ** 2 / 100)  # none as far as another
    colours = ["red", "blue"] * 6
    part = Observed(
        tuple(
            Sample(Path("x"), "s", "T", str(n), {"garment": str(n), "family": colour})
            for n, colour in enumerate(colours)
        ),
        np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32),
        np.zeros((12, 1), np.float32),
        np.zeros(12, int),
    )
    family = retrieval_figures(part, "garment", ("family",))["attributes"]["family"]
    assert family["chance"] == pytest.approx(5 / 11, abs=1e-4)
    assert family["best"] == pytest.approx(5 / 9, abs=1e-4)
    assert 0.44 < family["agreement"] < 5 / 9


def test_a_bundle_is_evaluated_on_drawn_garments(home: Path, drawn: Path) -> None:
    samples = read_samples([drawn / "garments.csv"])
    others = [Sample(s.file, s.source, None, s.group) for s in samples[:5]]
    report = evaluate(SHIPPED, Settings(home=home), [*samples, *others])
    (figures,) = report["sources"].values()
    assert figures["photos"] == 33
    assert figures["top1"] <= figures["top3"]
    assert figures["top1_interval_95"][0] <= figures["top1"] <= figures["top1_interval_95"][1]
    counts = np.array(figures["confusion"])
    assert counts.sum() == 33
    assert np.trace(counts) == round(33 * figures["top1"])
    for place, row in enumerate(figures["categories"].values()):
        assert row["photos"] == counts[place].sum() == 3
        assert row["recall"] == pytest.approx(counts[place, place] / 3, abs=1e-4)
        if row["named"]:
            assert row["precision"] == pytest.approx(
                counts[place, place] / counts[:, place].sum(), abs=1e-4
            )
    assert figures["rejection"]["without_label"] == 5
    assert set(figures["rejection"]["auroc"]) >= {"max_probability", "energy", "detector"}
    for name, area in figures["rejection"]["auroc"].items():
        low, high = figures["rejection"]["auroc_interval_95"][name]
        assert 0 <= low < area < high <= 1
    assert figures["retrieval"]["attributes"]["family"]["chance"] < 0.5


def run(*arguments: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "service.cli", "evaluate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def test_the_command_saves_what_it_prints(
    environment: dict[str, str], drawn: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(SHIPPED, tmp_path / "other")
    change_card(copy, version="2 <beta>")
    data = ("--data", drawn / "garments.csv", "--all", "--out", tmp_path / "out")
    done = run(SHIPPED, *data, "--compare", copy, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert json.loads((tmp_path / "out/evaluation.json").read_text()) == document
    first, second = document["bundles"]
    assert first["sources"] == second["sources"]
    assert (first["bundle"], second["bundle"][-8:]) == (TITLE, "2 <beta>")
    page = (tmp_path / "out/evaluation.html").read_text()
    assert "2 &lt;beta&gt;" in page
    assert "http" not in page
    assert f"{document['bundles'][0]['sources']['garments']['top1']:.1%}" in page


def test_a_column_that_no_photo_has_is_refused(drawn: Path) -> None:
    for option in ("--by", "--garment", "--attribute"):
        done = run(SHIPPED, "--data", drawn / "garments.csv", option, "nothing")
        assert_one_line(done, 2, "No photo has the column nothing.")


def test_held_out_photos_are_a_part_of_all(
    environment: dict[str, str], drawn: Path, tmp_path: Path
) -> None:
    done = run(SHIPPED, "--data", drawn / "garments.csv", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "right label" in done.stdout
    assert "taken for" in done.stdout
    document = json.loads((tmp_path / "evaluation.json").read_text())
    assert 0 < document["bundles"][0]["sources"]["garments"]["photos"] < 12


def test_what_train_holds_out_is_what_is_evaluated(
    environment: dict[str, str], drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photos that say nothing have a part in the split there, and so here."""
    photos, kinds = sorted(drawn.glob("images/*.jpg")), ("Tee", "none", "", "Dress", "")
    rows = [f"{photo},{kinds[i % 5]},{i}" for i, photo in enumerate(photos)]
    table = tmp_path / "t.csv"
    table.write_text("\n".join(["image_name,category_label,sender", *rows]))
    seen: list[Sample] = []

    def note(_bundle: Path, _settings: Settings, samples: list[Sample], **_how: object) -> None:
        seen.extend(samples)
        raise SourceInvalid("That is enough.")

    monkeypatch.setattr("service.training.evaluate.evaluate", note)
    done = called("evaluate", str(SHIPPED), "--data", str(table), "--group", "sender")
    assert "That is enough." in done.stderr
    samples = read_samples([table], groups=["sender"])
    assert seen == telling(*split(samples))[1]
    assert seen != split(telling(samples)[0])[1]  # or this would show nothing


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["{0},Tee", "{1},Tee"], "only the category Tee"),
        (["{0},Sari", "{1},Sock"], "knows none of the labels Sari, Sock; its labels are: Blazer"),
        (["{0},Tee", "{1},Sari"], "at least two categories are needed. .* does not know Sari"),
        (["{0},", "{1},"], "no photo with a label"),
        (["{0},Tee", "text.jpg,Dress"], "only the category Tee"),
    ],
)
def test_data_that_says_nothing_is_refused(
    home: Path, drawn: Path, tmp_path: Path, lines: list[str], words: str
) -> None:
    photos = sorted(drawn.glob("images/*.jpg"))[:2]
    (tmp_path / "text.jpg").write_text("hello")
    table = tmp_path / "t.csv"
    table.write_text("image_name,category_label\n" + "\n".join(lines).format(*photos) + "\n")
    with pytest.raises(SourceInvalid, match=words):
        evaluate(SHIPPED, Settings(home=home), read_samples([table]))


def test_what_is_left_out_is_counted(home: Path, drawn: Path, tmp_path: Path) -> None:
    photos = sorted(drawn.glob("images/*.jpg"))[:3]
    table = tmp_path / "t.csv"
    lines = [f"{photos[0]},Blazer", f"{photos[1]},Tee", f"{photos[2]},Sari", "gone.jpg,Tee"]
    table.write_text("image_name,category_label\n" + "\n".join(lines) + "\n")
    report = evaluate(SHIPPED, Settings(home=home), read_samples([table]))
    assert (report["unreadable"], report["of_unknown_labels"]) == (1, 1)
    assert report["unknown_labels"] == ["Sari"]


def test_what_shows_no_garment_is_what_says_so_and_else_what_has_no_label(
    home: Path, drawn: Path
) -> None:
    samples = read_samples([drawn / "garments.csv"])
    unknown = [Sample(s.file, s.source, None, s.group) for s in samples[:5]]
    none = [Sample(s.file, s.source, None, s.group, outlier=True) for s in samples[:2]]
    elsewhere = [replace(sample, source="elsewhere") for sample in none]
    for others, count in ((unknown, 5), ([*unknown, *none], 2), ([*unknown, *elsewhere], 2)):
        (figures,) = evaluate(SHIPPED, Settings(home=home), [*samples, *others])["sources"].values()
        assert figures["rejection"]["without_label"] == count


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"format": 9}, "format 9; this version reads up to 1"), ({"labels": ["a", "b"]}, "altered")],
)
def test_a_bundle_that_cannot_be_read_is_one_line(
    environment: dict[str, str], tmp_path: Path, fields: dict[str, object], words: str
) -> None:
    copy = shutil.copytree(SHIPPED, tmp_path / "bundle")
    change_card(copy, **fields)
    done = run(copy)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
