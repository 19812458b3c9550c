"""The loss of similarity, and the share of right labels."""

from __future__ import annotations

from typing import Any

TEMPERATURE = 0.1


def same_garment(keras: Any) -> Any:
    """A loss that draws views of one garment together and others apart, by the cosine of the features.

    Supervised contrastive (Khosla et al. 2020, equation 2) with the garment as the class, so that the
    order within a category is learnt too. It bears on the features themselves, without a projection:
    they are what is stored and compared. Targets: (n, 1), the garment's number.
    """
    ops = keras.ops

    class SameGarment(keras.losses.Loss):  # type: ignore[misc, name-defined]
        def call(self, y_true: Any, y_pred: Any) -> Any:
            y_pred = ops.cast(y_pred, "float32")
            unit = y_pred / ops.maximum(ops.norm(y_pred, axis=1, keepdims=True), 1e-6)
            scores = ops.matmul(unit, ops.transpose(unit)) / TEMPERATURE
            itself = ops.eye(ops.shape(y_pred)[0], dtype="float32")
            alike = ops.cast(ops.equal(y_true, ops.transpose(y_true)), "float32") - itself
            log_shares = scores - ops.logsumexp(scores - 1e9 * itself, axis=1, keepdims=True)
            return -ops.sum(alike * log_shares, axis=1) / ops.maximum(ops.sum(alike, axis=1), 1.0)

    return SameGarment(name="same_garment")


def named_accuracy(keras: Any) -> Any:
    """How often the first label is right, of photos that have one: for one of `none` no label is."""
    ops = keras.ops

    class NamedAccuracy(keras.metrics.CategoricalAccuracy):  # type: ignore[misc, name-defined]
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            named = ops.cast(ops.equal(ops.max(y_true, axis=-1), 1), self.dtype)
            weight = named if sample_weight is None else sample_weight * named
            return super().update_state(y_true, y_pred, weight)

    return NamedAccuracy(name="accuracy")
