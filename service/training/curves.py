"""A run's curves as a picture."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Sequence
from pathlib import Path

from service.training.network import LOGITS


def draw_curves(file: Path, history: Sequence[dict[str, float]]) -> bool:
    """Loss and accuracy by epoch, and the side of the pictures, as a PNG.

    history: one row an epoch, see `fit.train`. False, and no file, where matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        return False
    from matplotlib.figure import Figure

    epochs = [row["epoch"] for row in history]
    figure = Figure(figsize=(9, 4), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    for name in sorted(name for name in history[0] if name.endswith("loss")):
        width = 2.0 if name == "loss" else 0.8
        label = "all together" if name == "loss" else name.removesuffix("_loss")
        losses.plot(epochs, [row[name] for row in history], label=label, linewidth=width)
    losses.set(title="Loss", xlabel="epoch", ylim=(0, None))
    accuracies.plot(epochs, [row[f"{LOGITS}_accuracy"] for row in history], label="training views")
    accuracies.plot(
        epochs, [row["held_out_accuracy"] for row in history], label="held-out photos", marker="o"
    )
    accuracies.set(title="Accuracy", xlabel="epoch", ylim=(0, 1))
    for before, row in itertools.pairwise(history):
        if row["side"] != before["side"]:
            for axes in (losses, accuracies):
                axes.axvline(row["epoch"] - 0.5, color="0.8", linewidth=0.8, zorder=0)
    for axes in (losses, accuracies):
        axes.legend(fontsize="small", ncols=2, framealpha=0.6)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.savefig(file, dpi=120)
    return True
