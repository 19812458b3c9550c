"""The int8 network: made by NNCF, served by OpenVINO alone."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.encoder import load_encoder
from service.encoder.bundle import SHIPPED, read_card
from service.encoder.convert import converted
from service.encoder.openvino import OpenVinoEncoder
from service.encoder.quantize import quantize
from service.errors import BundleInvalid, ExtraMissing, HomeNotWritable
from service.settings import Settings
from tests.test_bundles_written import no_larger_files
from tests.test_encoder import cosine, squares


def cache_of_one(make: Callable[..., Any]) -> Callable[..., Any]:
    """`make`, whose first answer is that of every call."""
    made: list[Any] = []

    def once(*given: Any, **how: Any) -> Any:
        if not made:
            made.append(make(*given, **how))
        return made[0]

    return once


def raising(error: Exception) -> Callable[..., Any]:
    def raise_it(*given: Any, **how: Any) -> Any:
        raise error

    return raise_it


def test_int8_is_served_once_it_was_made(
    tmp_path: Path, home: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nncf = pytest.importorskip("nncf", reason="the extra int8 is not installed")
    # The same pictures make the same network: it is made once
    monkeypatch.setattr(nncf, "quantize", cache_of_one(nncf.quantize))
    whole = converted(SHIPPED, read_card(SHIPPED), home / "models").parent
    shutil.copytree(whole, tmp_path / "models" / whole.name)
    settings = Settings(home=tmp_path, precision="int8")
    with pytest.raises(BundleInvalid, match=r"no int8 network.*fashion-studio quantize"):
        load_encoder(settings)
    full = OpenVinoEncoder(SHIPPED, settings.folder("models"), precision="f32")
    pictures = squares(drawn, 33, full.card.input_size)
    monkeypatch.setattr("service.encoder.quantize.AGREEMENT", 1.0)
    with pytest.raises(BundleInvalid, match="In int8 this network's embeddings are others"):
        quantize(SHIPPED, settings.folder("models"), pictures)
    assert not list(tmp_path.rglob("int8*"))
    monkeypatch.setattr("service.encoder.quantize.AGREEMENT", 0.8)
    with monkeypatch.context() as broken:
        broken.setattr("service.encoder.quantize._cosine", lambda one, other: float("nan"))
        with pytest.raises(BundleInvalid, match="a cosine of nan"):
            quantize(SHIPPED, settings.folder("models"), pictures)
    with no_larger_files(500_000), pytest.raises(HomeNotWritable, match=r"File too large \(\d+ MB"):
        quantize(SHIPPED, settings.folder("models"), pictures)
    with monkeypatch.context() as broken:
        broken.setattr(
            nncf, "quantize", raising(nncf.InternalError("some\nlines, the last says why"))
        )
        with pytest.raises(BundleInvalid, match=r"be quantised: lines, the last says why \(\d+ MB"):
            quantize(SHIPPED, settings.folder("models"), pictures)
    assert not list(tmp_path.rglob("int8*"))
    network = quantize(SHIPPED, settings.folder("models"), pictures)
    assert sorted(file.name for file in network.parent.glob("int8*")) == ["int8.bin", "int8.xml"]
    kept = [network.read_bytes(), network.with_suffix(".bin").read_bytes()]
    with monkeypatch.context() as strict:
        strict.setattr("service.encoder.quantize.AGREEMENT", 1.0)
        with pytest.raises(BundleInvalid, match="It is not kept"):
            quantize(SHIPPED, settings.folder("models"), pictures)
    assert kept == [network.read_bytes(), network.with_suffix(".bin").read_bytes()]
    assert len(list((tmp_path / "models").iterdir())) == 1  # nothing beside
    encoder = load_encoder(settings)
    assert encoder.description.startswith("openvino int8")
    for square in pictures:
        quantized, wanted = encoder.predict(square), full.predict(square)
        assert 1 - cosine(quantized.embedding, wanted.embedding) > 1e-6  # it is another network


def test_what_is_compared_is_from_all_over_the_pictures(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []
    monkeypatch.setattr("service.encoder.quantize.require_nncf", lambda: None)
    monkeypatch.setattr("service.encoder.quantize._quantize", lambda xml, side, pictures: None)

    def look(bundle: Path, cache: Path, pictures: list[Any]) -> None:
        compared.extend(int(picture[0]) for picture in pictures)
        raise BundleInvalid("enough")

    monkeypatch.setattr("service.encoder.quantize._require_agreement", look)
    with pytest.raises(BundleInvalid, match="enough"):
        quantize(SHIPPED, home / "models", [np.array([number]) for number in range(300)])
    assert len(set(compared)) == 64
    assert min(compared) < 60
    assert max(compared) > 240


def test_without_nncf_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "nncf" else find(name, *a)
    )
    with pytest.raises(ExtraMissing, match=r"fashion-studio\[int8\]"):
        quantize(SHIPPED, tmp_path, [])


def test_the_precision_is_one_that_is_known() -> None:
    with pytest.raises(ValueError, match="precision"):
        Settings(precision="int4")
