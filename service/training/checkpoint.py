"""A training run's state on disk: written whole after every epoch, so that a killed run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from service.errors import HomeNotWritable, TrainingImpossible


def save(path: Path, variables: list[Any], facts: dict[str, Any]) -> None:
    """Write every variable and the facts (JSON) atomically. Raises `HomeNotWritable`."""
    arrays = {f"{i:05d}": _array(v) for i, v in enumerate(variables)}
    draft = path.with_suffix(".draft")
    try:
        save_file(arrays, draft, metadata={"facts": json.dumps(facts)})
        draft.replace(path)
    except (OSError, SafetensorError) as error:
        draft.unlink(missing_ok=True)
        raise HomeNotWritable(f"{path} cannot be written: {error}.") from None


def read_facts(path: Path) -> dict[str, Any] | None:
    """The facts of the run at `path`, None where there is none. Raises `TrainingImpossible`."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as state:
            facts: dict[str, Any] = json.loads(state.metadata()["facts"])
            return facts
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise _unfit(path, error) from None


def restore(path: Path, variables: list[Any]) -> None:
    """Set every variable from the file, in the order in which they were saved.

    Raises `TrainingImpossible` where they are others.
    """
    try:
        with safe_open(path, framework="numpy") as state:
            if len(state.keys()) != len(variables):
                raise ValueError("it holds another number of weights")
            for i, variable in enumerate(variables):
                variable.assign(state.get_tensor(f"{i:05d}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise _unfit(path, error) from None


def _unfit(path: Path, error: Exception) -> TrainingImpossible:
    why = str(error).strip().partition("\n")[0].rstrip(".")
    return TrainingImpossible(
        f"{path} cannot be gone on from: {why}. Delete it to start this training anew."
    )


def _array(variable: Any) -> np.ndarray:
    values = np.array(variable, order="C")
    return values.astype(np.float32) if values.dtype.kind == "V" else values  # V: bfloat16
