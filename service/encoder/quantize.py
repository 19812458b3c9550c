"""A converted network in int8: weights and activations quantised by NNCF, calibrated on pictures."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from service.encoder.bundle import read_card
from service.encoder.convert import converted, int8_place
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
    embeddings; then nothing is kept.
    """
    require_nncf()
    os.environ.setdefault("NNCF_CI", "1")  # or it reports each use to its makers
    with contextlib.redirect_stdout(sys.stderr):  # where NNCF greets and shows its progress
        import nncf

        card = read_card(bundle)
        xml = converted(bundle, card, cache)
        network = openvino.Core().read_model(xml)
        network.reshape([1, card.input_size, card.input_size, 3])
        inputs = nncf.Dataset([picture[None].astype(np.float32) for picture in pictures])
        quantized = nncf.quantize(network, inputs, subset_size=len(pictures))
    target = int8_place(xml)
    with tempfile.TemporaryDirectory(dir=xml.parent, prefix=".quantising-") as folder:
        draft = Path(folder) / target.name
        openvino.save_model(quantized, draft)
        target.unlink(missing_ok=True)  # or an old one would go with the new weights for a moment
        for suffix in (".bin", ".xml"):  # the .xml last: it says that both are there
            draft.with_suffix(suffix).replace(target.with_suffix(suffix))
    try:
        _require_agreement(bundle, cache, pictures[:COMPARED])
    except BaseException:  # Ctrl-C as well: it may be one that falls apart
        for suffix in (".xml", ".bin"):
            target.with_suffix(suffix).unlink()
        raise
    return target


def _require_agreement(bundle: Path, cache: Path, pictures: Sequence[np.ndarray]) -> None:
    """As they are served, because a runtime may fuse what it computes in another way."""
    full, int8 = (OpenVinoEncoder(bundle, cache, precision=name) for name in ("f32", "int8"))
    alike = float(np.median([_cosine(full, int8, one) for one in pictures]))
    if alike < AGREEMENT:
        raise BundleInvalid(
            f"In int8 this network's embeddings are others: a cosine of {alike:.2f} to those in f32, in "
            "the middle. It is not kept; serve it in f32 or bf16."
        )


def _cosine(one: Any, other: Any, picture: np.ndarray) -> float:
    a, b = (encoder.predict(picture).embedding for encoder in (one, other))
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
