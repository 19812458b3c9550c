"""The settings of a training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """How to train.

    backbone: one of `backbones.NAMES`. sizes: sides of the training pictures, pixels; the epochs are
    shared out among them in this order, the last ones of the last size. input_size: side at which the
    bundle is served: a network that learnt from few photos knows less at another side than its last.
    rate: peak of AdamW's learning rate. task_weight, similarity: weight of each further task's loss, and
    of the loss of similarity, beside the labels' loss. frozen: see `network.freeze`; None trains all.
    draws: photos drawn an epoch; None draws as many as there are.
    patience: stop after so many epochs without a better held-out accuracy, and keep the best epoch's
    weights; None trains to the end and keeps the last ones.
    """

    backbone: str = "xception"
    epochs: int = 24
    sizes: tuple[int, ...] = (96, 112)
    input_size: int = 112
    batch: int = 32
    rate: float = 2e-3
    weight_decay: float = 0.02
    smoothing: float = 0.1
    task_weight: float = 0.3
    similarity: float = 0.5
    frozen: float | None = None
    draws: int | None = None
    patience: int | None = None
    precision: str = "mixed_bfloat16"
    seed: int = 0

    def side(self, epoch: int) -> int:
        """Side of the training pictures, pixels, in the epoch with this number from 0."""
        left = self.epochs - 1 - epoch
        return self.sizes[-1 - left * len(self.sizes) // self.epochs]

    def is_over(self, accuracies: list[float]) -> bool:
        """Whether a run with these held-out accuracies by epoch has ended."""
        if len(accuracies) >= self.epochs:
            return True
        if self.patience is None or not accuracies:
            return False
        return len(accuracies) - 1 - best(accuracies) >= self.patience


def best(accuracies: list[float]) -> int:
    """The first epoch, from 0, of the highest accuracy."""
    return max(range(len(accuracies)), key=lambda epoch: accuracies[epoch])
