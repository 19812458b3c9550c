"""The network's numbers to predictions: one softmax and one detector for every runtime."""

from __future__ import annotations

import numpy as np

from service.domain import LabelConfidence, Prediction
from service.encoder.bundle import Card
from service.encoder.calibration import Detector


def predictions(
    features: np.ndarray, logits: np.ndarray, card: Card, detector: Detector | None
) -> list[Prediction]:
    """features: (n, feature_size); logits: (n, labels). Without a detector everything is recognised."""
    probabilities = softmax(logits, card.softmax_temperature)
    recognised = np.ones(len(features), bool) if detector is None else detector.recognises(features)
    return [
        Prediction(
            labels=tuple(
                LabelConfidence(card.labels[i], float(row[i]))
                for i in np.argsort(-row, kind="stable")
            ),
            embedding=np.array(embedding, np.float32),
            recognised=bool(known),
        )
        for embedding, row, known in zip(features, probabilities, recognised, strict=True)
    ]


def softmax(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """(n, labels) probabilities, taken in float64."""
    scaled = logits.astype(np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
