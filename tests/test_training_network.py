"""The network that a run trains: its backbones, what is frozen, and where its first weights come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.encoder.bundle import SHIPPED, read_card
from service.errors import TrainingImpossible
from service.training.backbones import BACKBONES, LITE, application, pooled
from service.training.lite import BLOCK_LAYERS, LAYERS, NEW, keras_path
from service.training.network import HEAD, build, freeze
from service.training.plan import Plan
from service.training.weights import initial_weights, start_from


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
