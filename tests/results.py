"""docs/results.ipynb, executed in a fresh home: by a test, and by `make results` to keep its outputs."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

GARMENTS = 110
NOTEBOOK = Path(__file__).parents[1] / "docs" / "results.ipynb"


def execute(garments: int = GARMENTS) -> nbformat.NotebookNode:
    """The notebook with new outputs. Raises `CellExecutionError`.

    garments: how many its catalog has, instead of those that are written there.
    Its temporary folder is one of its own, outside pytest's: see `tests.conftest.server_url`.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert first.source.count(f"garments={GARMENTS}") == 1
    first.source = first.source.replace(f"garments={GARMENTS}", f"garments={garments}")
    folder = tempfile.mkdtemp(prefix="fashion-studio-results-")
    try:
        NotebookClient(notebook, timeout=280, resources={"metadata": {"path": folder}}).execute(
            env=os.environ | {"TMPDIR": folder}
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/jpeg" in data:  # Pillow gives both, and a PNG is many times as large
                data.pop("image/png", None)
    return notebook


if __name__ == "__main__":
    nbformat.write(execute(), NOTEBOOK)
