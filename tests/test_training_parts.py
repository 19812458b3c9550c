"""What a training run is made of: what is learnt of which photo, and the loss of similarity."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.encoder.bundle import CARD
from service.encoder.write import require_place
from service.errors import InvalidParameter, TrainingImpossible
from service.training.batches import epoch_rows, sampling_weights, targets_of
from service.training.curves import draw_curves
from service.training.data import Sample, by_known_label, label_order, read_samples
from service.training.held_out import large_enough, selected
from service.training.losses import TEMPERATURE, similarity
from service.training.network import FEATURES, LOGITS
from service.training.plan import Plan
from tests.pictures import encoded, picture


def sample(label: str | None, name: str = "a", **more: Any) -> Sample:
    return Sample(Path(f"{name}.jpg"), "photos", label, "group", name=name, **more)


def test_a_photo_of_none_of_the_categories_is_any_of_them_alike(tmp_path: Path) -> None:
    for folder in ("Tee", "Top", "none"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(encoded(picture()))
    samples = read_samples([tmp_path])
    assert [(s.label, s.outlier) for s in samples] == [
        ("Tee", False),
        ("Top", False),
        (None, True),
    ]
    targets, weights = targets_of(samples, ("Tee", "Top"), ()).wanted(LOGITS, np.arange(3))
    assert targets.tolist() == [[1, 0], [0, 1], [0.5, 0.5]]
    assert weights.tolist() == [1, 1, 1]


def test_a_photo_without_a_label_teaches_its_tasks_alone() -> None:
    samples = [sample("Tee", columns={"colour": "red"}), sample(None, columns={"colour": "blue"})]
    targets = targets_of(samples, ("Tee", "Top"), ["colour"])
    assert targets.wanted(LOGITS, np.arange(2))[1].tolist() == [1, 0]
    assert targets.wanted("colour", np.arange(2))[1].tolist() == [1, 1]


def test_garments_are_alike_in_columns_and_in_the_label_where_a_column_is_known() -> None:
    samples = [
        sample("Tee", columns={"colour": "red", "sleeve": "long"}),
        sample("Tee", columns={"colour": "red", "sleeve": ""}),
        sample("Tee"),
        sample(None, columns={"colour": "blue"}),
    ]
    targets = targets_of(samples, ("Tee",), (), {"colour": 2, "sleeve": 1})
    alike = targets.alike  # the label first
    assert (alike.shape, targets.shares.tolist()) == ((4, 3), [1, 2, 1])
    assert (alike[0] == alike[1]).tolist() == [True, True, False]
    assert (alike == -1).tolist() == [
        [False] * 3,
        [False, False, True],
        [True] * 3,
        [True, False, True],
    ]
    heavy = targets_of(samples, ("Tee",), (), {"colour": 2, "category_label": 5})
    assert (heavy.alike.shape, heavy.shares.tolist()) == ((4, 2), [5, 2])
    assert (heavy.alike[2] == -1).all(), "the label alone orders nothing"
    assert targets_of(samples, ("Tee",), ()).alike.shape == (4, 0)


def test_the_second_half_of_a_batch_shows_the_garments_of_the_first() -> None:
    garments = np.array([0, 0, 0, 1, 1, 2])
    rows = epoch_rows(
        garments, np.full(6, 1 / 6), np.random.default_rng(3), batch=4, draws=83, paired=True
    )
    assert rows.shape == (20, 4)  # 83 drawn, of 6 photos; what fills no batch is left
    for first, _, second, _ in rows:
        assert garments[first] == garments[second]
        assert (first == second) == (garments[first] == 2)
    assert {int(row) for row in rows.ravel()} == set(range(6))
    weights = np.array([0, 0.5, 0, 0.5, 0, 0])
    rows = epoch_rows(
        garments, weights, np.random.default_rng(3), batch=4, draws=83, paired=False
    )  # where similarity is not learnt, each is drawn for itself
    assert rows.shape == (20, 4)
    assert set(np.unique(rows)) == {1, 3}
    assert any(garments[first] != garments[second] for first, _, second, _ in rows)


@pytest.mark.parametrize("paired", [False, True])
def test_an_epoch_misses_no_photo_that_is_due(paired: bool) -> None:
    """Each photo comes as often as its weight says, and not by chance far more or less."""
    weights = np.random.default_rng(1).uniform(0, 2, 500)
    weights /= weights.sum()
    rows = epoch_rows(
        np.arange(500), weights, np.random.default_rng(2), batch=10, draws=1000, paired=paired
    )
    first = rows[:, :5] if paired else rows
    times = np.bincount(first.ravel(), minlength=500)
    assert np.abs(times - weights * first.size).max() < 1
    other = epoch_rows(
        np.arange(500), weights, np.random.default_rng(3), batch=10, draws=1000, paired=paired
    )
    assert not np.array_equal(np.sort(rows.ravel()), np.sort(other.ravel())), "another epoch"


def test_rare_categories_are_drawn_more_often_than_they_are() -> None:
    samples = [sample("Tee")] * 90 + [sample("Romper")] * 10
    weights = sampling_weights(samples)
    assert weights[90:].sum() == pytest.approx(0.25)  # square roots: 3 in 9 + 3


def test_the_loss_of_similarity_is_the_published_one(keras: Any) -> None:
    rng = np.random.default_rng(0)
    features, garments = rng.normal(size=(6, 8)), np.array([0, 1, 2, 0, 1, 0])
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    scores = np.exp(unit @ unit.T / TEMPERATURE)
    expected = []
    for i in range(6):
        others = [j for j in range(6) if j != i]
        alike = [j for j in others if garments[j] == garments[i]]
        total = sum(scores[i, j] for j in others)
        expected.append(-np.mean([np.log(scores[i, j] / total) for j in alike]) if alike else 0)
    loss = similarity(keras)(garments[:, None], features.astype(np.float32))
    assert float(loss) == pytest.approx(np.mean(expected), rel=1e-4)


def test_who_agrees_in_more_is_to_be_nearer(keras: Any) -> None:
    """Nothing is left to learn where cosines differ as the shares of what agrees do."""
    columns = np.array([[0, 0], [0, 1], [1, 0], [-1, -1]])
    targets = np.column_stack([np.arange(4), columns]).astype(np.int32)
    apart = np.array([[1, 0.5, 0.5], [0.5, 1, 0], [0.5, 0, 1]])  # shares of what agrees, as cosines
    ordered = np.zeros((4, 4), np.float32)
    ordered[:3, :3], ordered[3, 3] = np.linalg.cholesky(apart), 1

    def divergence(features: np.ndarray, targets: np.ndarray, *shares: float) -> float:
        both = similarity(keras, shares)(targets, features)
        return float(both) - float(similarity(keras)(targets[:, :1], features))

    assert divergence(ordered, targets, 1, 1) == pytest.approx(0, abs=1e-5)
    assert divergence(ordered, targets, 3, 1) > 0.05, (
        "the first column counts more than cosines say"
    )
    assert divergence(ordered[[0, 3, 1, 2]], targets, 1, 1) > 0.5
    unknown = targets.copy()
    unknown[:, 1:] = -1
    assert divergence(ordered[[0, 3, 1, 2]], unknown, 1, 1) == 0


def test_what_is_not_known_of_another_does_not_agree(keras: Any) -> None:
    """The second agrees with the first in all that is known of both, the third in all."""
    targets = np.array([[0, 0, 0], [1, 0, -1], [2, 0, 0]], np.int32)
    near, far = [1, 0.1, 0], [1, 0, 1]
    loss = similarity(keras, [1, 1])
    third_first = float(loss(targets, np.array([[1, 0, 0], far, near], np.float32)))
    second_first = float(loss(targets, np.array([[1, 0, 0], near, far], np.float32)))
    assert third_first < second_first - 0.5


def test_categories_too_small_go_and_large_ones_are_cut_the_same_each_time() -> None:
    samples = [sample("Tee", f"t{i}") for i in range(9)] + [sample("Top", "a"), sample(None, "n")]
    large = large_enough(samples, 2)
    kept = selected(samples, labels=large, at_most=5)
    assert [s.label for s in kept] == ["Tee"] * 5 + [None]
    again = selected(samples[::-1], labels=large, at_most=5)
    assert {s.file for s in again} == {s.file for s in kept}


def test_a_run_ends_after_its_epochs_or_when_it_gains_no_more() -> None:
    assert not Plan(epochs=3).is_over([0.5, 0.4])
    assert Plan(epochs=3).is_over([0.5, 0.4, 0.3])
    patient = Plan(epochs=9, patience=2)
    assert not patient.is_over([])
    assert not patient.is_over([0.5, 0.6, 0.5])
    assert patient.is_over([0.5, 0.6, 0.5, 0.6])


def test_pictures_grow_and_the_last_epochs_have_the_last_size() -> None:
    sizes = (80, 96, 112)
    assert [Plan(epochs=n, sizes=sizes).side(n - 1) for n in (1, 2, 3, 24)] == [112] * 4
    assert [Plan(epochs=6, sizes=sizes).side(n) for n in range(6)] == [80, 80, 96, 96, 112, 112]
    assert [Plan(epochs=2, sizes=sizes).side(n) for n in range(2)] == [96, 112]


def test_one_photo_in_a_category_is_told_with_its_name() -> None:
    with pytest.raises(TrainingImpossible, match="Top has one photo"):
        label_order([sample("Tee"), sample("Tee"), sample("Top")], ())


def test_curves_are_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = [
        {"epoch": n, "side": 64 + 16 * (n > 1), "loss": 3 / n, f"{FEATURES}_loss": 1 / n,
         f"{LOGITS}_accuracy": 0.3, "held_out_accuracy": 0.2}
        for n in (1, 2, 3)
    ]  # fmt: skip
    assert draw_curves(tmp_path / "curves.png", rows)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--backbone", "vgg"], "choose of: xception, resnet50"),
        (["--backbone", "inceptionv3", "--sizes", "72"], "takes pictures of 75 pixels or more"),
        (["--sizes", "80,wide"], "--sizes is '80,wide'"),
        (["--sizes", "80,96112"], "--sizes is '80,96112'; give sides of 1024 pixels or fewer"),
        (["--frozen", "0.3"], "with none that is chance. Give --weights"),
        (["--alike", "sleeve"], "No photo has the column sleeve. Columns are: none."),
        (["--alike", "sleeve", "--similarity", "0"], "loss of similarity, and --similarity is 0"),
        (["--alike", "sleeve=0"], "'sleeve=0' is no COLUMN=NUMBER with a number above 0"),
        (["--alike", "sleeve=nan"], "'sleeve=nan' is no COLUMN=NUMBER with a number above 0"),
        (["--alike", "sleeve", "--alike", "sleeve=2"], "COLUMN=2 lets it count double"),
        (["--alike", "category_label=2"], "beside other columns: name one of them, too"),
        (
            ["--guess", "sleeve", "--weights", "shipped"],
            "--guess sleeve bears on a --task or an --alike",
        ),
        (["--guess", "sleeve"], "--guess asks the features of a bundle: give --weights shipped"),
        (["--rate", "nan"], "--similarity and --frozen are numbers"),
        (["--max-photos", "2"], "2 is not in the range x>=3"),
        (["--backbone", "xception", "--weights", "imagenet"], "cannot be downloaded"),
    ],
)
def test_what_cannot_be_trained_is_one_line(tmp_path: Path, more: list[str], words: str) -> None:
    for label in ("Tee", "Top"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for number in range(5):
            path = tmp_path / "photos" / label / f"{number}.png"
            path.write_bytes(encoded(picture(seed=10 * (label == "Tee") + number)))
    nowhere = {"https_proxy": "http://127.0.0.1:9", "FASHION_STUDIO_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "train", "--data", str(tmp_path / "photos"),
         "--out", str(tmp_path / "bundle"), *more],
        env=os.environ | nowhere, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "bundle").exists()


def test_a_folder_that_holds_other_files_is_no_place_for_a_bundle(tmp_path: Path) -> None:
    require_place(tmp_path / "new" / "bundle")
    require_place(tmp_path)
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(InvalidParameter, match="holds other files"):
        require_place(tmp_path)
    with pytest.raises(InvalidParameter, match="cannot hold a bundle"):
        require_place(tmp_path / "photo.jpg")
    (tmp_path / CARD).write_text("{}")
    with pytest.raises(InvalidParameter, match=r"such as photo.jpg, which a bundle would replace"):
        require_place(tmp_path)
    (tmp_path / "photo.jpg").unlink()
    require_place(tmp_path)


def test_labels_are_read_as_ingest_reads_them() -> None:
    samples = [sample(label) for label in ("dress", "1", "Sari", None)]
    known, unknown = by_known_label(samples, ("Tee", "Dress"))
    assert [s.label for s in known] == ["Dress", "Dress", None]
    assert unknown == [samples[2]]
    with pytest.raises(TrainingImpossible, match="Are Dress and dress one category"):
        label_order([sample(label) for label in ("dress", "Dress") * 2], ())
