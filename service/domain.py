"""The nouns: a photo, what the network says of it, a garment, an answer.

Frozen dataclasses without behaviour of their own beyond `as_dict`, which gives the JSON shapes of
the contract. This module imports nothing of the project.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import numpy as np

LabelSource = Literal["given", "predicted"]
ImportState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
Method = Literal["hnsw", "exact"]
Order = Literal["oldest", "newest"]
Verdict = Literal["good", "bad"]
Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")  # each allows what those before it allow


@dataclass(frozen=True, slots=True)
class Image:
    """A decoded photo, upright.

    pixels: (height, width, 3) uint8, red, green and blue as the file has them, to which no colour profile
    is applied; may be smaller than the file's picture (see `decode`).
    sha256: hex digest of the file's bytes.
    """

    pixels: np.ndarray
    sha256: str


@dataclass(frozen=True, slots=True)
class LabelConfidence:
    """A category's name and its probability, 0 to 1."""

    label: str
    confidence: float

    def as_dict(self) -> dict[str, Any]:
        return {"label": self.label, "confidence": round(self.confidence, 6)}


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the network says of one photo, from one forward pass.

    labels: every category by falling probability; they sum to 1.
    embedding: (2048,) float32, the network's pooled features, not normalised.
    recognised: False where the photo shows none of the labels; they are then guesses.
    """

    labels: tuple[LabelConfidence, ...]
    embedding: np.ndarray = field(repr=False, compare=False)
    recognised: bool = True

    @property
    def label(self) -> str:
        return self.labels[0].label

    @property
    def confidence(self) -> float:
        return self.labels[0].confidence

    def confidence_of(self, label: str) -> float | None:
        """The probability of `label`; None where the network does not know it."""
        return next((scored.confidence for scored in self.labels if scored.label == label), None)

    def as_dict(self) -> dict[str, Any]:
        return query_dict(self.labels, self.recognised)


@dataclass(frozen=True, slots=True)
class Garment:
    """A catalog row without its embedding.

    confidence: the model's probability of `label`, whether the label was given or predicted; None where
    the model does not know it. predicted_label: the model's first guess, also where it recognises no
    garment. Both are None where the embedding was imported without its photo.
    model: `name@version` of the bundle that embedded it; model_id tells it from others of that name.
    """

    id: int
    image_path: str
    label: str
    label_source: LabelSource
    confidence: float | None
    predicted_label: str | None
    model: str
    created_at: datetime
    model_id: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "image_path": self.image_path,
            "image_url": image_url(self.id),
            "label": self.label,
            "label_source": self.label_source,
            "confidence": _rounded(self.confidence),
            "predicted_label": self.predicted_label,
            "model": self.model,
            "created_at": self.created_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Match:
    """A catalog garment and its cosine similarity to the query, -1 to 1."""

    id: int
    image_path: str
    label: str
    similarity: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "image_path": self.image_path,
            "image_url": image_url(self.id),
            "label": self.label,
            "similarity": round(self.similarity, 6),
        }


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The answer to "more like this": matches by falling similarity, ties by id.

    labels: the photo's, by falling probability; of a garment its own alone, which counts as certain.
    sha256: hex digest of the photo's bytes, for feedback about it; of a garment None.
    recognised: whether the photo shows any of the labels.
    """

    labels: tuple[LabelConfidence, ...]
    matches: tuple[Match, ...]
    searched_labels: tuple[str, ...]
    method: Method
    requested: int
    model: str
    garment: Garment | None = None
    sha256: str | None = None
    recognised: bool = True

    def as_dict(self) -> dict[str, Any]:
        photo = query_dict(self.labels, self.recognised) | {"sha256": self.sha256}
        return {
            "query": photo if self.garment is None else _asked(self.garment),
            "matches": [match.as_dict() for match in self.matches],
            "searched_labels": list(self.searched_labels),
            "method": self.method,
            "requested": self.requested,
            "returned": len(self.matches),
            "model": self.model,
        }


@dataclass(frozen=True, slots=True)
class Feedback:
    """Somebody's verdict on a match.

    query_id: the garment that was asked about; query_sha256: hex digest of the photo's bytes that was.
    Either may be None: an uploaded photo is no garment, an imported one has no photo. match_id: None
    once that garment was removed, as query_id then.
    """

    id: int
    query_id: int | None
    query_sha256: str | None
    match_id: int | None
    verdict: Verdict
    created_at: datetime

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "query_id": self.query_id,
            "query_sha256": self.query_sha256,
            "match_id": self.match_id,
            "verdict": self.verdict,
            "created_at": self.created_at.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How many images of a set have a label, and their share of the set's labelled images, 0 to 1."""

    label: str
    count: int
    share: float

    def as_dict(self) -> dict[str, Any]:
        return {"label": self.label, "count": self.count, "share": round(self.share, 6)}


def query_dict(labels: tuple[LabelConfidence, ...], recognised: bool) -> dict[str, Any]:
    """The contract's `{"label", "confidence", "labels"}` of labels by falling probability.

    What is not recognised has no label; `confidence` and `labels` are then those of the guesses.
    """
    first = labels[0].as_dict()
    return {
        "label": first["label"] if recognised else None,
        "confidence": first["confidence"],
        "recognised": recognised,
        "labels": [scored.as_dict() for scored in labels],
    }


def image_url(garment_id: int) -> str:
    """Where the HTTP API serves a garment's picture, relative to the server."""
    return f"/api/v1/garments/{garment_id}/image"


def _asked(garment: Garment) -> dict[str, Any]:
    own = {"label": garment.label, "confidence": _rounded(garment.confidence)}
    return {
        **own,
        "recognised": True,
        "labels": [own],
        "id": garment.id,
        "image_path": garment.image_path,
        "image_url": image_url(garment.id),
    }


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 6)
