"""The seed project's model as a bundle: a SavedModel of its architecture, made here with Keras 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.cli.adopt import read_labels
from service.encoder.bundle import read_card
from service.encoder.keras import import_keras, read_network
from service.encoder.openvino import OpenVinoEncoder
from service.errors import BundleInvalid, InvalidParameter
from service.training.network import build
from service.training.weights import initial_weights, start_from

NAMES = (
    "Blazer", "Cardigan", "Hoodie", "Jacket", "Sweater", "Tank", "Tee", "Top", "Dress", "Jumpsuit",
    "Romper",
)  # fmt: skip
AS_TEXT = (0, 1, 10, 2, 3, 4, 5, 6, 7, 8, 9)


@pytest.fixture(scope="module")
def keras2() -> Any:
    return pytest.importorskip(
        "tf_keras", reason="tf_keras is not installed: pip install '.[seed]'"
    )


@pytest.fixture(scope="module")
def seeds(keras2: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The folder, and the model that was saved to it, with outputs that differ between pictures."""
    keras2.utils.set_random_seed(3)
    layers = keras2.layers
    model = keras2.Sequential(
        [
            keras2.applications.Xception(
                include_top=False, weights=None, pooling="avg", input_shape=(224, 224, 3)
            ),
            layers.Dense(512, activation="relu", kernel_regularizer="l2"),
            layers.Dropout(0.1),
            layers.Dense(128, activation="relu", kernel_regularizer="l2"),
            layers.Dropout(0.1),
            layers.Dense(len(NAMES), activation="softmax"),
        ]
    )
    for layer in model.layers[0].layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
    model(
        pictures() / 255, training=True
    )  # statistics of these pictures: they come out unlike each other
    kernel, _ = model.layers[-1].get_weights()
    usual = np.log(np.asarray(model(pictures() / 255, training=False))).mean(axis=0)
    model.layers[-1].set_weights([4 * kernel, -4 * usual])  # so that no label is every picture's
    folder = tmp_path_factory.mktemp("seed") / "saved_model"
    # Without each layer's traces, which take half a minute: those of Keras are read by their configuration
    model.save(folder, save_format="tf", save_traces=False)
    return folder, model


def pictures() -> np.ndarray:
    """(6, 224, 224, 3) float32 of whole numbers from 0 to 255, unlike each other."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (6, 7, 7, 3))
    return np.kron(coarse, np.ones((1, 32, 32, 1))).astype(np.float32)


@pytest.fixture(scope="module")
def bundle(seeds: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("adopted") / "bundle"
    labels = out.parent / "labels.json"
    labels.write_text(json.dumps({name: number for number, name in enumerate(NAMES)}))
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "models", "import", str(seeds[0]), "--labels", str(labels),
         "--out", str(out), "--json"],
        capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["labels"] == list(NAMES)
    return out


@pytest.mark.timeout(900)
def test_labels_and_features_are_the_originals(
    seeds: tuple[Path, Any], bundle: Path, home: Path, keras2: Any
) -> None:
    _, model = seeds
    shown = pictures()
    features = np.asarray(model.layers[0](shown / 255, training=False))
    said = np.asarray(model(shown / 255, training=False))
    encoder = OpenVinoEncoder(bundle, home / "models")
    top = set()
    for number, picture in enumerate(shown.astype(np.uint8)):
        prediction = encoder.predict(picture)
        assert np.allclose(
            prediction.embedding, features[number], rtol=0.02, atol=0.02 * features.max()
        )
        for output, probability in enumerate(said[number]):
            name = NAMES[AS_TEXT[output]]
            assert prediction.confidence_of(name) == pytest.approx(float(probability), abs=0.02)
        assert prediction.label == NAMES[AS_TEXT[int(said[number].argmax())]]
        top.add(prediction.label)
    assert len(top) > 1, "else the order of the outputs would not matter"


def test_the_bundle_has_the_labels_in_the_maps_order(bundle: Path) -> None:
    card = read_card(bundle)
    assert card.labels == NAMES
    assert (card.input_size, card.feature_size, card.precision) == (224, 2048, "f32")


def test_training_goes_on_from_it_as_it_is(bundle: Path) -> None:
    """Pixels are scaled as every backbone here takes them, or what stays frozen would see others."""
    keras = import_keras("tensorflow")
    network = build(keras, "xception", len(NAMES), side=224)
    initial, _ = initial_weights(str(bundle), "xception", NAMES)
    start_from(network, initial)
    ours = read_network(bundle, keras).predict_on_batch(pictures())
    for given, wanted in zip(network.predict_on_batch(pictures()), ours, strict=True):
        assert np.allclose(given, wanted, atol=1e-5)


def test_another_architecture_is_refused_in_one_line(keras2: Any, tmp_path: Path) -> None:
    from service.training.adopt import adopt

    layers = keras2.layers
    model = keras2.Sequential([layers.Input((224, 224, 3)), layers.Flatten(), layers.Dense(2)])
    model.save(tmp_path / "other", save_format="tf")
    with pytest.raises(BundleInvalid, match="not the seed's"):
        adopt(
            tmp_path / "other", tmp_path / "out", labels="ab", outputs=[0, 1], name="n", version="1"
        )
    small = keras2.Sequential([layers.Input((299, 299, 3)), layers.Flatten(), layers.Dense(2)])
    small.save(tmp_path / "larger", save_format="tf")
    with pytest.raises(
        BundleInvalid, match="takes pictures of 299 pixels; the seed's model takes 224"
    ):
        adopt(
            tmp_path / "larger",
            tmp_path / "out",
            labels="ab",
            outputs=[0, 1],
            name="n",
            version="1",
        )
    named = keras2.Model(
        inputs := {"photo": layers.Input((224, 224, 3)), "price": layers.Input((1,))},
        layers.Dense(2)(layers.Flatten()(inputs["photo"])),
    )
    named.save(tmp_path / "named", save_format="tf")
    with pytest.raises(BundleInvalid, match="does not take one picture and nothing else"):
        adopt(
            tmp_path / "named", tmp_path / "out", labels="ab", outputs=[0, 1], name="n", version="1"
        )
    tensorflow = pytest.importorskip("tensorflow")
    tensorflow.saved_model.save(tensorflow.Module(), str(tmp_path / "bare"))
    with pytest.raises(BundleInvalid, match=r"not saved by Keras 2.*model\.save"):
        adopt(
            tmp_path / "bare", tmp_path / "out", labels="ab", outputs=[0, 1], name="n", version="1"
        )
    (tmp_path / "none").mkdir()
    with pytest.raises(BundleInvalid, match="no SavedModel"):
        adopt(
            tmp_path / "none", tmp_path / "out", labels="ab", outputs=[0, 1], name="n", version="1"
        )
    assert not (tmp_path / "out").exists()


def test_a_permutation_names_each_label_once(tmp_path: Path) -> None:
    from service.training.adopt import adopt, sorted_as_text

    assert sorted_as_text(11) == list(AS_TEXT)
    with pytest.raises(InvalidParameter, match="each of the 3 labels once"):
        adopt(tmp_path, tmp_path, labels="abc", outputs=[0, 1, 1], name="n", version="1")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"Tee": 0, "Dress": 1}'),
        ("b.json", '{"1": "Dress", "0": "Tee"}'),
        ("c.json", '["Tee", "Dress"]'),
        ("d.csv", "id,label\n0,Tee\n1,Dress\n"),
        ("e.csv", "Tee,0\nDress,1\n"),
        ("f.txt", "Tee\nDress\n"),
    ],
)
def test_label_maps_of_every_shape_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_labels(tmp_path / name) == ["Tee", "Dress"]


@pytest.mark.parametrize(
    "text", ["{", '{"Tee": 0}', '{"Tee": 0, "Dress": 2}', '{"Tee": "x", "a": 1}', "3"]
)
def test_what_is_no_label_map_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.json").write_text(text)
    with pytest.raises(InvalidParameter, match=r"map\.json"):
        read_labels(tmp_path / "map.json")


@pytest.mark.parametrize("text", ["Tee\nTop, sleeveless\nDress\n", "0,Tee\n1,Top,long\n"])
def test_lines_that_are_no_label_map_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "map.txt").write_text(text)
    with pytest.raises(InvalidParameter, match=r"map\.txt"):
        read_labels(tmp_path / "map.txt")


@pytest.mark.parametrize(
    ("name", "text", "twice"),
    [
        ("a.csv", "0,Tee\n1,Dress\n1,Skirt\n", "1"),
        ("b.csv", "id,label\n0,Tee\n1,Dress\n0,Tee\n", "0"),
        ("c.csv", "Tee,0\nDress,1\nTee,2\n", "Tee"),
        ("d.json", '{"0": "Tee", "1": "Dress", "1": "Skirt"}', "1"),
        ("e.json", '{"Tee": 0, "Dress": 1, "Tee": 0}', "Tee"),
    ],
)
def test_a_label_map_that_names_one_twice_is_refused(
    tmp_path: Path, name: str, text: str, twice: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidParameter, match=rf"no label map: {twice} stands twice in it\."):
        read_labels(tmp_path / name)


def test_a_byte_order_mark_is_no_part_of_a_label(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(b"\xef\xbb\xbfBlazer\nCardigan\n")
    assert read_labels(file) == ["Blazer", "Cardigan"]
