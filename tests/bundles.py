"""Bundles made from the shipped one: another network, other labels, a network that is worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from service.encoder.bundle import NETWORK, SHIPPED, Card, read_card, read_weights
from service.encoder.write import write_bundle

TITLE = read_card(SHIPPED).title


def write_variant(
    folder: Path,
    name: str,
    *,
    noise: float = 0.0,
    deaf: bool = False,
    renamed: dict[str, str] | None = None,
) -> Card:
    """noise: standard deviation added to the last convolutions, of theirs, which changes embeddings.

    deaf: whatever it sees, it says the same label. renamed: labels by their new name.
    """
    card, weights = read_card(SHIPPED), read_weights(SHIPPED)
    rng = np.random.default_rng(1)
    for path, values in weights.items():
        if noise and path.startswith("block14") and path.endswith("kernel"):
            wide = values.astype(np.float32)
            weights[path] = wide + rng.normal(0, noise * wide.std(), wide.shape)
        if deaf and path == "logits/kernel":
            weights[path] = np.zeros_like(values)
    return write_bundle(
        folder,
        network=(SHIPPED / NETWORK).read_text(encoding="utf-8"),
        weights=weights,
        name=name,
        version="2",
        labels=tuple((renamed or {}).get(label, label) for label in card.labels),
        input_size=card.input_size,
        feature_size=card.feature_size,
        temperature=card.temperature,
        precision=card.precision,
    )
