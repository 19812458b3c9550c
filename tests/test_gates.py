"""The report on gates: what it counts, checked against what the network says."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import CatalogEmpty, InvalidParameter, SourceInvalid
from service.gates import Gate, report_gates
from service.ingest import ingest
from service.recommend import Query
from service.studio import Studio
from service.training.data import read_samples
from service.training.held_out import split


@pytest.fixture
def stocked(studio: Studio, drawn: Path) -> Studio:
    ingest(studio, drawn / "garments.csv")
    return studio


def test_every_gate_is_counted_on_every_photo(stocked: Studio, drawn: Path) -> None:
    report = report_gates(stocked, [drawn / "garments.csv"], n=3)
    assert (report.photos, report.searched, report.left_out) == (33, 33, 0)
    gates = {gate.name: gate.as_dict() for gate in report.gates}
    assert list(gates) == [
        "auto", "mass=0.5", "mass=0.8", "mass=0.9", "mass=0.95", "mass=0.99", "any",
    ]  # fmt: skip
    right = 0
    with (drawn / "garments.csv").open() as file:
        for line in csv.DictReader(file):
            image = stocked.decode((drawn / line["image_name"]).read_bytes())
            right += stocked.predict(image).label == line["category_label"]
    assert right > 0
    assert gates["auto"]["right_label_searched"] == round(right / 33, 4)
    assert (gates["auto"]["labels_searched"], gates["any"]["labels_searched"]) == (1, 11)
    assert gates["any"]["right_label_searched"] == 1
    shares = [gate["right_label_searched"] for gate in gates.values()]
    widths = [gate["labels_searched"] for gate in gates.values()]
    assert (shares, widths) == (sorted(shares), sorted(widths))
    for gate in gates.values():
        low, high = gate["interval_95"]
        assert low <= gate["right_label_searched"] <= high
        assert 0 < gate["ms_p50"] <= gate["ms_p95"]
        assert gate["methods"] == {"exact": 33}
    # A photo does not match itself: of three garments a label two are left
    assert gates["auto"]["right_matches"] == pytest.approx(right / 33, abs=0.01)


def test_photos_of_no_known_label_are_left_out_and_said(
    stocked: Studio, drawn: Path, tmp_path: Path
) -> None:
    photo = next(drawn.glob("images/*.jpg"))
    lines = [f"{photo},Tee", f"{photo},Sari", f"{photo},", "gone.jpg,Tee"]
    (tmp_path / "t.csv").write_text("image_name,category_label\n" + "\n".join(lines) + "\n")
    report = report_gates(stocked, [tmp_path / "t.csv"])
    assert (report.photos, report.left_out) == (1, 2)


def test_held_out_is_what_train_holds_out(stocked: Studio, drawn: Path) -> None:
    sources = [drawn / "garments.csv"]
    held = split(read_samples(sources))[1]
    report = report_gates(stocked, sources, held_out=True)
    assert 0 < report.photos == len(held) < 33


def test_what_cannot_be_measured_is_refused(studio: Studio, drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogEmpty):
        report_gates(studio, [drawn / "garments.csv"])
    ingest(studio, drawn / "garments.csv")
    with pytest.raises(SourceInvalid, match="None of the photos has a label"):
        report_gates(studio, [drawn / "images"])
    with pytest.raises(InvalidParameter, match="n is 0"):
        report_gates(studio, [drawn / "garments.csv"], n=0)


def test_how_a_gate_was_answered_is_told() -> None:
    gate = Gate("auto", Query(), opened=1, labels=[1, 3], ms=[1.0, 2.0], right=[1.0, 0.0])
    gate.found = [1.0, 0.0, 0.0, 0.0]
    gate.methods.update(["hnsw", "exact"])
    assert gate.as_dict() == {
        "gate": "auto",
        "right_label_searched": 0.5,
        "interval_95": [0.0945, 0.9055],
        "labels_searched": 2.0,
        "right_matches": 0.5,
        "some_right_match": 0.25,
        "ms_p50": 1.5,
        "ms_p95": 1.95,
        "methods": {"hnsw": 1, "exact": 1},
    }


def test_by_the_command_alone(environment: dict[str, str], stocked: Studio, drawn: Path) -> None:
    command = [sys.executable, "-m", "service.cli", "gates", "--data", str(drawn / "garments.csv")]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [gate["gate"] for gate in json.loads(done.stdout)["gates"]][::6] == ["auto", "any"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "right matches" in done.stdout
    assert "33 photos classified" in done.stderr
