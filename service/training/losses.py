"""The loss of similarity, and the share of right labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

TEMPERATURE = 0.1
FAR = -1e9  # a score whose share is none


def similarity(keras: Any, shares: Sequence[float] | np.ndarray = ()) -> Any:
    """A loss of the features' cosines: views of one garment are drawn together and others apart, and of
    the others those that agree in more are nearer.

    The first is supervised contrastive (Khosla et al. 2020, equation 2) with the garment as the class.
    The second is the divergence between how the cosines and how what agrees share out one garment's
    likeness among the others (ListNet, Cao et al. 2007), so that cosines come to differ as the shares that
    agree of what is known of the garment: what is not known of another one does not agree. Both bear on the
    features themselves, without a projection: they are what is stored and compared.

    shares: (k,) what each column counts.
    Targets: (n, 1 + k) int, the garment's number and its value in each column, -1 where that is not known;
    garments of which the same column is never known are in no order of each other.
    """
    ops = keras.ops
    counts = ops.convert_to_tensor(np.asarray(shares, np.float32))

    class Similarity(keras.losses.Loss):  # type: ignore[misc, name-defined]
        def call(self, y_true: Any, y_pred: Any) -> Any:
            y_pred = ops.cast(y_pred, "float32")
            unit = y_pred / ops.maximum(ops.norm(y_pred, axis=1, keepdims=True), 1e-6)
            scores = ops.matmul(unit, ops.transpose(unit)) / TEMPERATURE
            garments, columns = y_true[:, :1], y_true[:, 1:]
            itself = ops.eye(ops.shape(y_pred)[0], dtype="float32")
            same = ops.cast(ops.equal(garments, ops.transpose(garments)), "float32")
            alike = same - itself
            log_shares = ops.log_softmax(scores + FAR * itself, axis=1)
            loss = -ops.sum(alike * log_shares, axis=1) / ops.maximum(ops.sum(alike, axis=1), 1.0)
            if columns.shape[1] == 0:
                return loss
            known = ops.cast(columns >= 0, "float32") * counts
            equal = ops.cast(ops.equal(columns[:, None], columns[None]), "float32")
            agree = ops.sum(equal * known[:, None], axis=2) / ops.maximum(
                ops.sum(known, axis=1, keepdims=True), 1e-6
            )
            both = ops.matmul(known, ops.transpose(known))
            compared = ops.cast(both > 0, "float32") * (1 - same)
            apart = FAR * (1 - compared)
            wanted = ops.softmax(agree / TEMPERATURE + apart, axis=1)
            given = ops.log_softmax(scores + apart, axis=1)
            differ = compared * wanted * (ops.log(ops.maximum(wanted, 1e-9)) - given)
            return loss + ops.sum(differ, axis=1)

    return Similarity(name="similarity")


def named_accuracy(keras: Any) -> Any:
    """How often the first label is right, of photos that have one: for one of `none` no label is."""
    ops = keras.ops

    class NamedAccuracy(keras.metrics.CategoricalAccuracy):  # type: ignore[misc, name-defined]
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            named = ops.cast(ops.equal(ops.max(y_true, axis=-1), 1), self.dtype)
            weight = named if sample_weight is None else ops.cast(sample_weight, self.dtype) * named
            return super().update_state(y_true, y_pred, weight)

    return NamedAccuracy(name="accuracy")
