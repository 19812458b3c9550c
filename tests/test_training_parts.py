"""What a training run is made of: what is learnt of which photo, the loss of similarity, weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.encoder.bundle import CARD, SHIPPED, read_card
from service.encoder.keras import import_keras
from service.encoder.write import require_place
from service.errors import InvalidParameter, TrainingImpossible
from service.training.backbones import BACKBONES, LITE, application, pooled
from service.training.batches import epoch_rows, sampling_weights, targets_of
from service.training.curves import draw_curves
from service.training.data import Sample, by_known_label, label_order, read_samples
from service.training.held_out import large_enough, selected
from service.training.lite import BLOCK_LAYERS, LAYERS, NEW, keras_path
from service.training.losses import TEMPERATURE, similarity
from service.training.network import FEATURES, HEAD, LOGITS, build, freeze
from service.training.plan import Plan
from service.training.weights import initial_weights, start_from
from tests.pictures import encoded, picture


@pytest.fixture(scope="module")
def keras() -> Any:
    return import_keras("tensorflow")


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


@pytest.mark.parametrize("name", LITE)
def test_every_backbone_has_a_catalogs_2048_features(keras: Any, name: str) -> None:
    keras.utils.clear_session()
    pixels = keras.layers.Input((64, 64, 3))
    assert pooled(keras, name, pixels).shape == (None, 2048)


@pytest.mark.parametrize("name", [name for name in BACKBONES if name[-2:] not in ("b1", "b2")])
def test_imagenets_weights_have_a_place_in_every_backbone(keras: Any, name: str) -> None:
    """By the paths that `imagenet_weights` has them under; without internet their values are not here."""
    keras.utils.clear_session()
    theirs = application(keras, name)(weights=None, include_top=False)
    shapes = {weight.path: tuple(weight.shape) for weight in theirs.weights}
    keras.utils.clear_session()
    network = build(keras, name, 3, side=None)
    assert shapes.items() <= {w.path: tuple(w.shape) for w in network.weights}.items()
    assert network.outputs[0].shape[-1] == 2048
    freeze(keras, network, 1)  # leaves ImageNet's alone, and what widens them is chance's
    left = [layer.name for layer in network.layers if layer.weights and layer.trainable]
    assert ("widen" in left) == ("widen" in [layer.name for layer in network.layers])
    assert not {path.split("/")[0] for path in shapes} & set(left)


@pytest.mark.parametrize("name", LITE)
def test_pytorchs_names_are_all_of_the_small_networks_weights(keras: Any, name: str) -> None:
    keras.utils.clear_session()
    pixels = keras.layers.Input((64, 64, 3))
    network = keras.Model(pixels, pooled(keras, name, pixels))
    prefixes = [(layer, layer) for layer in LAYERS] + [
        (f"_blocks.{number}.{layer}", layer)
        for number in range(sum(LITE[name]))
        for layer in BLOCK_LAYERS
        if number or layer not in ("_expand_conv", "_bn0")  # the first block does not expand
    ]
    parts = ("weight", "bias", "running_mean", "running_var")
    named = {
        keras_path(f"{prefix}.{part}")
        for prefix, layer in prefixes
        for part in (parts if "bn" in layer else parts[:1])
    }
    assert named == {w.path for w in network.weights if w.path.split("/")[0] not in NEW}


def test_what_weighs_the_features_is_nothing_at_the_start(keras: Any) -> None:
    """So that bundles of before it was there begin with the features that they gave."""
    keras.utils.clear_session()
    network = build(keras, "efficientnetlite0", 3, side=None)
    before = keras.Model(network.input, network.get_layer(NEW[0]).output)
    paths = {weight.path for weight in network.weights}
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)).astype(np.float32)
    features, logits = network.predict_on_batch(pixels)
    assert np.array_equal(features, before.predict_on_batch(pixels))
    up = network.get_layer(NEW[-1])
    up.kernel.assign(keras.ops.ones(up.kernel.shape))
    weighed = network.predict_on_batch(pixels)
    assert not np.allclose(weighed[0], features)
    assert np.array_equal(weighed[1], logits), "labels are as they were"
    freeze(keras, network, 1, {path for path in paths if not path.startswith("weigh")})
    assert {weight.path.split("/")[0] for weight in network.trainable_weights} == set(NEW[1:])
    freeze(keras, network, 1, paths)
    assert network.trainable_weights == []


@pytest.mark.parametrize("backbone", ["efficientnetlite0", "xception"])
def test_statistics_follow_a_short_run(keras: Any, backbone: str) -> None:
    """After 40 steps at Keras's own pace two thirds of them would still be what they began as."""
    keras.utils.clear_session()
    layers = build(keras, backbone, 3, side=None).layers
    paces = [one.momentum for one in layers if isinstance(one, keras.layers.BatchNormalization)]
    assert len(paces) > 30
    assert max(paces) ** 40 < 0.02


def test_frozen_layers_and_statistics_stay(keras: Any) -> None:
    keras.utils.clear_session()
    network = build(keras, "efficientnetlite0", 3, side=None)
    freeze(keras, network, 0.5)
    model = keras.Model(network.input, network.outputs[1])
    model.compile("sgd", keras.losses.CategoricalCrossentropy(from_logits=True))
    before = {w.path: w.numpy() for w in network.weights}
    model.train_on_batch(np.random.default_rng(0).uniform(0, 255, (4, 64, 64, 3)), np.eye(4, 3))
    moved = {w.path for w in network.weights if not np.array_equal(w.numpy(), before[w.path])}
    assert {"block10_depthwise_conv/kernel", "logits/kernel", "standardise/moving_mean"} <= moved
    assert not any(path.startswith(("stem_", "block0_", "block3_")) for path in moved)
    assert "block10_depthwise_bn/moving_mean" not in moved
    freeze(keras, network, 1)
    assert all(network.get_layer(name).trainable for name in (*NEW, *HEAD[::2]))
    assert not network.get_layer("head_conv").trainable


def test_a_bundle_of_other_labels_keeps_its_last_layer_to_itself(
    keras: Any, tmp_path: Path
) -> None:
    from service.training.fit import write

    keras.utils.clear_session()
    plan = Plan(backbone="efficientnetlite0", input_size=64)
    network = build(keras, plan.backbone, 2, side=64)
    write(tmp_path / "b", network, plan, name="socks", version="1", labels=("Sock", "Hat"))
    same, title = initial_weights(str(tmp_path / "b"), plan.backbone, ("Sock", "Hat"))
    other, _ = initial_weights(str(tmp_path / "b"), plan.backbone, ("Hat", "Sock"))
    assert title == "socks@1"
    assert same.keys() - other.keys() == {"logits/kernel", "logits/bias"}


def test_the_shipped_bundle_is_a_beginning() -> None:
    labels = read_card(SHIPPED).labels
    weights, title = initial_weights("shipped", "efficientnetlite0", labels)
    assert title == read_card(SHIPPED).title
    assert "logits/kernel" in weights
    other, _ = initial_weights("shipped", "efficientnetlite0", ("Sock", "Hat"))
    assert weights.keys() - other.keys() == {"logits/kernel", "logits/bias"}


def test_weights_of_another_network_are_refused(keras: Any) -> None:
    keras.utils.clear_session()
    network = build(keras, "efficientnetlite0", 2, side=64)
    with pytest.raises(TrainingImpossible, match="of another network"):
        start_from(network, {"block1_conv1/kernel": np.zeros((3, 3, 3, 32))})


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
