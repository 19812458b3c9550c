"""The network's numbers to predictions: one softmax for every runtime."""

from __future__ import annotations

import numpy as np

from service.domain import LabelConfidence, Prediction
from service.encoder.bundle import Card


def predictions(features: np.ndarray, logits: np.ndarray, card: Card) -> list[Prediction]:
    """features: (n, feature_size); logits: (n, labels). The softmax is taken in float64."""
    scaled = logits.astype(np.float64) / card.temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    return [
        Prediction(
            labels=tuple(
                LabelConfidence(card.labels[i], float(row[i]))
                for i in np.argsort(-row, kind="stable")
            ),
            embedding=np.array(embedding, np.float32),
        )
        for embedding, row in zip(features, probabilities, strict=True)
    ]
