"""A converted network in int8: weights and activations quantised by NNCF, calibrated on pictures."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino

from service.encoder.bundle import read_card
from service.encoder.convert import converted, free, int8_place, whole_folder
from service.encoder.openvino import OpenVinoEncoder
from service.errors import BundleInvalid, ExtraMissing

PICTURES = 300  # NNCF's own choice
COMPARED = 64  # of them, at most
AGREEMENT = 0.9
"""Cosine of an embedding in int8 and in f32, in the middle, or the int8 network is not kept. Some lose
nothing, some fall apart: thin depthwise layers with very different ranges are known for it."""


def require_nncf() -> None:
    """Raises `ExtraMissing`."""
    if importlib.util.find_spec("nncf") is None:
        raise ExtraMissing("This needs NNCF. Install it with: pip install 'fashion-studio[int8]'.")


def quantize(bundle: Path, cache: Path, pictures: Sequence[np.ndarray]) -> Path:
    """Quantise a bundle's network into `cache`; returns the .xml that `int8_network` finds.

    pictures: (side, side, 3) uint8, such as the network will see; their ranges decide the scales.
    Raises `ExtraMissing` without NNCF, and `BundleInvalid` where int8 gives the pictures other
    embeddings, or the network cannot be quantised or kept; then what was there stays.
    """
    require_nncf()
    card = read_card(bundle)
    xml = converted(bundle, card, cache)
    target = int8_place(xml)
    with whole_folder(cache, ".quantising-") as folder:
        copy = (
            folder / xml.parent.name
        )  # a cache of its own, so that it is looked at before it serves
        copy.mkdir()
        for suffix in (".bin", ".xml"):
            shutil.copyfile(xml.with_suffix(suffix), (copy / xml.name).with_suffix(suffix))
        _quantize(copy / xml.name, card.input_size, pictures)
        chosen = np.random.default_rng(0).permutation(len(pictures))[:COMPARED]
        _require_agreement(bundle, folder, [pictures[place] for place in chosen])
        target.unlink(missing_ok=True)  # or an old one would go with the new weights for a moment
        for suffix in (".bin", ".xml"):  # the .xml last: it says that both are there
            (copy / target.name).with_suffix(suffix).replace(target.with_suffix(suffix))
    return target


def _quantize(xml: Path, side: int, pictures: Sequence[np.ndarray]) -> None:
    """Beside the network at `xml`."""
    os.environ.setdefault("NNCF_CI", "1")  # or it reports each use to its makers
    with contextlib.redirect_stdout(sys.stderr):  # where NNCF greets and shows its progress
        import nncf

        network = openvino.Core().read_model(xml)
        network.reshape([1, side, side, 3])
        inputs = nncf.Dataset([picture[None].astype(np.float32) for picture in pictures])
        try:
            quantized = nncf.quantize(network, inputs, subset_size=len(pictures))
            openvino.save_model(quantized, int8_place(xml))
        except Exception as error:  # each of NNCF's has a kind of its own
            why = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise BundleInvalid(
                f"The network cannot be quantised: {why} ({free(xml.parent)})."
            ) from None


def _require_agreement(bundle: Path, cache: Path, pictures: Sequence[np.ndarray]) -> None:
    """As they are served, because a runtime may fuse what it computes in another way."""
    full, int8 = (OpenVinoEncoder(bundle, cache, precision=name) for name in ("f32", "int8"))
    both = [[one.predict(picture).embedding for one in (full, int8)] for picture in pictures]
    alike = float(np.median([_cosine(*pair) for pair in both]))
    if not alike >= AGREEMENT:  # nor where it is no number
        raise BundleInvalid(
            f"In int8 this network's embeddings are others: a cosine of {alike:.2f} to those in f32, in "
            "the middle. It is not kept; serve it in f32 or bf16."
        )


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    """0 where one is zero, as that of a picture of one colour may be, and the other is not."""
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / lengths) if lengths else float(np.array_equal(one, other))
