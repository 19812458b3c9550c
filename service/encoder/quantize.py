"""A converted network in int8: weights and activations quantised by NNCF, calibrated on pictures."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino

from service.encoder.bundle import read_card
from service.encoder.convert import converted
from service.errors import BundleInvalid, ExtraMissing

PICTURES = 300  # NNCF's own choice


def quantize(bundle: Path, cache: Path, pictures: Sequence[np.ndarray]) -> Path:
    """Quantise a bundle's network into `cache`; returns the .xml that `int8_network` finds.

    pictures: (side, side, 3) uint8, such as the network will see; their ranges decide the scales.
    Raises `ExtraMissing` without NNCF.
    """
    if importlib.util.find_spec("nncf") is None:
        raise ExtraMissing("This needs NNCF. Install it with: pip install 'fashion-studio[int8]'.")
    os.environ.setdefault("NNCF_CI", "1")  # or it reports each use to its makers
    with contextlib.redirect_stdout(sys.stderr):  # where NNCF greets and shows its progress
        import nncf

        card = read_card(bundle)
        xml = converted(bundle, card, cache)
        network = openvino.Core().read_model(xml)
        network.reshape([1, card.input_size, card.input_size, 3])
        inputs = nncf.Dataset([picture[None].astype(np.float32) for picture in pictures])
        quantized = nncf.quantize(network, inputs, subset_size=len(pictures))
    target = _beside(xml)
    with tempfile.TemporaryDirectory(dir=xml.parent, prefix=".quantising-") as folder:
        draft = Path(folder) / target.name
        openvino.save_model(quantized, draft)
        for suffix in (".bin", ".xml"):  # the .xml last: it says that both are there
            draft.with_suffix(suffix).replace(target.with_suffix(suffix))
    return target


def int8_network(xml: Path) -> Path:
    """The quantised network beside a converted one. Raises `BundleInvalid` where there is none."""
    target = _beside(xml)
    if not target.exists():
        raise BundleInvalid(
            "This bundle has no int8 network on this machine. Make it with "
            "`fashion-studio quantize BUNDLE --data SOURCE`, or unset FASHION_STUDIO_PRECISION."
        )
    return target


def _beside(xml: Path) -> Path:
    return xml.with_name("int8.xml")
