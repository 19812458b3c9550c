"""docs/results.ipynb does what it shows."""

from __future__ import annotations

import re

import nbformat
import pytest

from . import results


def outputs(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """What kinds of output each cell has."""
    return [
        sorted(kind for output in cell.outputs for kind in output.get("data", {"stream": ""}))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.timeout(900)  # it draws a catalog and starts a database
def test_the_notebook_runs_in_a_fresh_home_and_shows_what_it_showed() -> None:
    kept = nbformat.read(results.NOTEBOOK, as_version=4)
    assert outputs(results.execute(garments=33)) == outputs(kept)


def test_the_notebook_is_kept_small_with_its_outputs_and_names_no_folder_of_its_author() -> None:
    written = results.NOTEBOOK.read_text(encoding="utf-8")
    assert len(written.encode()) < 500_000
    assert "image/jpeg" in written
    assert re.findall(r"(?:/tmp|/home|/root|/work|/Users)/\S*", written) == []
    cells = [cell for cell in nbformat.read(results.NOTEBOOK, 4).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert "stderr" not in [output.get("name") for cell in cells for output in cell.outputs]
