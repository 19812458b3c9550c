"""A training run's state on disk: written whole after every epoch, so that a killed run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file


def save(path: Path, variables: list[Any], facts: dict[str, Any]) -> None:
    """Write every variable and the facts (JSON) atomically."""
    arrays = {f"{i:05d}": _array(v) for i, v in enumerate(variables)}
    draft = path.with_suffix(".draft")
    save_file(arrays, draft, metadata={"facts": json.dumps(facts)})
    draft.replace(path)


def read_facts(path: Path) -> dict[str, Any] | None:
    """The facts of the run at `path`, None where there is none."""
    if not path.exists():
        return None
    with safe_open(path, framework="numpy") as state:
        return json.loads(state.metadata()["facts"])


def restore(path: Path, variables: list[Any]) -> None:
    """Set every variable from the file, in the order in which they were saved."""
    with safe_open(path, framework="numpy") as state:
        for i, variable in enumerate(variables):
            variable.assign(state.get_tensor(f"{i:05d}"))


def _array(variable: Any) -> np.ndarray:
    values = np.array(variable, order="C")
    return values.astype(np.float32) if values.dtype.kind == "V" else values  # V: bfloat16
