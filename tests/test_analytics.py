"""Reports by the command, in a notebook, and made by a worker."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from service import report
from service.catalog import Loader, analyse, analysis_standing
from service.errors import InvalidParameter, ReportNotFound
from service.jobs import request_analysis
from service.studio import Studio

from .catalog.samples import clustered, row
from .test_cli import assert_one_line, called, run


@pytest.fixture
def catalog(environment: dict[str, str], studio: Studio) -> Studio:
    """Forty garments, of which the first two have one picture; one path is hard to write."""
    vectors = clustered(40, 1)
    vectors[1] = vectors[0]
    names = ['a,\r"b".jpg', *(f"{i:02}.jpg" for i in range(1, 40))]
    Loader(studio.engine, studio.model_id).write(
        [
            row(name, label="Dress", predicted_label="Dress", embedding=vector,
                content_sha256=f"{i:064x}")
            for i, (name, vector) in enumerate(zip(names, vectors, strict=True))
        ]
    )  # fmt: skip
    return studio


def test_every_format_has_the_same_rows(catalog: Studio, tmp_path: Path) -> None:
    shown = run("analytics", "duplicates", "--refresh")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[0].startswith("Groups of garments with the same bytes")
    assert len(shown.stdout.splitlines()) == 4
    document = json.loads(run("analytics", "duplicates", "--json").stdout)
    rows = document["rows"]
    assert document["note"] is None
    assert {entry["image_path"] for entry in rows} == {'a,\r"b".jpg', "01.jpg"}
    assert document == json.loads(run("analytics", "duplicates", "--format", "json").stdout)
    files = {form: tmp_path / f"report.{form}" for form in ("csv", "parquet")}
    for form, file in files.items():
        assert run("analytics", "duplicates", "--format", form, "--out", file).returncode == 0
    with files["csv"].open(newline="", encoding="utf-8") as table:
        lines = list(csv.DictReader(table))
    assert [line["image_path"] for line in lines] == [entry["image_path"] for entry in rows]
    assert [float(line["similarity"]) for line in lines] == [entry["similarity"] for entry in rows]
    table = parquet.read_table(files["parquet"])
    assert table.column_names == list(rows[0])
    assert table["garment_id"].to_pylist() == [entry["garment_id"] for entry in rows]
    frame = report("duplicates")
    assert frame["image_path"].tolist() == [entry["image_path"] for entry in rows]
    assert set(frame.attrs["columns"]) == set(frame.columns)
    frame.to_parquet(tmp_path / "frame.parquet")
    kept = pd.read_parquet(tmp_path / "frame.parquet")
    assert kept.attrs["made_at"] == document["made_at"]
    assert kept["garment_id"].tolist() == [entry["garment_id"] for entry in rows]
    assert len(report("duplicates", limit=1)) == 1


def test_another_similarity_than_that_of_the_analysis_is_said(
    catalog: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyse(catalog.engine, duplicate_similarity=0.95, folder=catalog.settings.folder())
    monkeypatch.setenv("FASHION_STUDIO_DUPLICATE_SIMILARITY", "0.9")
    said = "This was made with 0.95 as FASHION_STUDIO_DUPLICATE_SIMILARITY, which is 0.9 by now."
    assert said in called("analytics", "duplicates").stderr
    assert said in report("duplicates").attrs["note"]
    assert said in called("feedback", "export", str(tmp_path / "judged")).stderr


def test_a_frame_has_types_also_without_rows(environment: dict[str, str], studio: Studio) -> None:
    frame = report("growth")
    assert (len(frame), list(frame.columns)) == (0, ["day", "added", "garments"])
    assert pd.api.types.is_datetime64_any_dtype(frame["day"])
    assert pd.api.types.is_integer_dtype(frame["added"])
    assert "never searched" in report("outliers").attrs["note"]
    with pytest.raises(ReportNotFound):
        report("sales")
    for limit in (0, -1):
        with pytest.raises(InvalidParameter, match=f"limit is {limit}; it must be at least 1"):
            report("growth", limit=limit)


def test_parquet_and_csv_go_to_a_pipe(catalog: Studio) -> None:
    command = [sys.executable, "-m", "service.cli", "analytics", "growth", "--format"]
    done = subprocess.run([*command, "parquet"], capture_output=True, check=True)
    assert parquet.read_table(io.BytesIO(done.stdout))["garments"].to_pylist() == [40]
    done = subprocess.run([*command, "csv"], capture_output=True, check=True)
    assert done.stdout.startswith(b"day,added,garments\r\n")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["sales"], 2, "sales"),
        ([], 2, "REPORT"),
        (["categories", "--refresh"], 2, "needs no --refresh"),
        (["categories", "--limit", "0"], 2, "--limit"),
        (["categories", "--out", "x.csv"], 2, "--out needs --format csv, parquet or json."),
        (["categories", "--format", "csv", "--out", "/no/such/x.csv"], 2, "/no/such is no folder"),
        (["categories", "--format", "csv", "--json"], 2, "--json is JSON on stdout."),
        (
            ["categories", "--format", "json", "--out", "x", "--json"],
            2,
            "--json is JSON on stdout.",
        ),
    ],
)
def test_what_cannot_be_is_one_line(
    environment: dict[str, str], arguments: list[str], code: int, words: str
) -> None:
    assert_one_line(run("analytics", *arguments), code, words)


def test_a_worker_makes_the_stored_reports(catalog: Studio) -> None:
    assert request_analysis(catalog).made_at is None
    done = subprocess.run([sys.executable, "-m", "service.cli", "worker", "--once"], timeout=120)
    assert done.returncode == 0
    assert analysis_standing(catalog.engine).complaint is None
    assert len(report("duplicates")) == 2
