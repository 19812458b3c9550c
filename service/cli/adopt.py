"""models import: the seed project's SavedModel as a bundle."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from service.cli.output import json_option, note, print_json
from service.errors import InvalidParameter


@click.command("import")
@click.argument("saved_model", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--labels",
    "labels_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="The label map: JSON, a CSV of number and name, or a name a line.",
)
@click.option(
    "--permutation",
    default="text",
    show_default=True,
    help="Which label each output is: text (numbers sorted as text, as Keras 2 did), none, or numbers "
    "such as 0,1,10,2.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle's folder.")
@click.option("--name", default="seed", show_default=True, help="The bundle's name.")
@click.option("--version", default="1", show_default=True, help="The bundle's version.")
@json_option
def import_model(
    saved_model: Path,
    labels_file: Path,
    permutation: str,
    out: Path,
    name: str,
    version: str,
    as_json: bool,
) -> None:
    """Make a bundle of SAVED_MODEL, a folder that the seed project saved with Keras 2.

    It must be its architecture: Xception, average pooling, dense layers of 512, 128 and one unit a
    label, at 224 pixels. Loading one runs what is in it: import only what you trust.
    """
    from service.training.adopt import adopt, sorted_as_text

    labels = read_labels(labels_file)
    if permutation in ("text", "none"):
        order = sorted_as_text(len(labels)) if permutation == "text" else list(range(len(labels)))
    else:
        try:
            order = [int(number) for number in permutation.split(",")]
        except ValueError:
            raise InvalidParameter(
                f"--permutation is {permutation}; it must be text, none, or numbers joined by commas."
            ) from None
    card = adopt(saved_model, out, labels=labels, outputs=order, name=name, version=version)
    if as_json:
        print_json({"bundle": str(out), "model": card.title, "labels": list(card.labels)})
    else:
        note(f"{out}: {card.title}, {len(card.labels)} labels. `fashion-studio models use {out}`")


def read_labels(file: Path) -> list[str]:
    """Names by their number from 0, from `{"Blazer": 0}`, `{"0": "Blazer"}`, `["Blazer"]`, a CSV with or
    without a header, or a name a line. Raises `InvalidParameter`."""
    try:
        text = file.read_text(encoding="utf-8-sig")
        is_json = file.suffix == ".json"
        found = json.loads(text, object_pairs_hook=_once) if is_json else _lines(text)
        if isinstance(found, list):
            found = dict(enumerate(found))
        numbered = {
            int(key) if str(key).isdecimal() else int(value): value if str(key).isdecimal() else key
            for key, value in found.items()
        }
    except (OSError, ValueError, TypeError, AttributeError, csv.Error) as error:
        raise InvalidParameter(f"{file} is no label map: {error}.") from None
    if len(found) < 2 or sorted(numbered) != list(range(len(found))):
        raise InvalidParameter(f"{file} must give each label a number, from 0 without a gap.")
    names = [str(numbered[number]).strip() for number in range(len(found))]
    if "" in names or len(set(names)) < len(names):
        raise InvalidParameter(f"{file} must give each label a name of its own.")
    return names


def _lines(text: str) -> dict[str, str] | list[str]:
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if row]
    if all(len(row) == 1 for row in rows):
        if any(row[0].partition(";")[0].isdecimal() for row in rows):
            raise ValueError("its numbers and names are separated by semicolons, not by commas")
        return [row[0] for row in rows]
    if rows and not any(cell.isdecimal() for cell in rows[0]):
        rows = rows[1:]
    if any(len(row) != 2 for row in rows):
        raise ValueError("a line has neither one name nor a number and a name")
    return _once((row[0], row[1]) for row in rows)


def _once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A dictionary of pairs. Raises `ValueError` where it would lose one."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"{key} stands twice in it")
        found[key] = value
    return found
