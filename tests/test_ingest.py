"""Photos in: counted right, resumed after kill -9, broken ones set aside."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text

from service.catalog import garment_by_id, sweep_imports
from service.curate import add_garment, relabel_garment
from service.images import open_images
from service.ingest import ingest
from service.intake import outcomes
from service.intake.photo import Outcome
from service.intake.work import Work
from service.studio import Studio
from tests.pictures import encoded, picture, png_header


def rows(engine: Engine) -> dict[str, tuple]:
    query = "SELECT image_path, id, label, label_source, encode(content_sha256, 'hex') FROM garment"
    with engine.connect() as connection:
        return {Path(row[0]).name: tuple(row[1:]) for row in connection.execute(text(query))}


def write_table(path: Path, lines: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    return path


def counts(summary) -> tuple[int, int, int, int, int]:
    found = summary.as_dict()
    return tuple(found[k] for k in ("seen", "added", "updated", "unchanged", "rejected"))


def test_a_table_goes_in_once(studio: Studio, drawn: Path) -> None:
    assert counts(ingest(studio, drawn / "garments.csv")) == (33, 33, 0, 0, 0)
    before = rows(studio.engine)
    assert counts(ingest(studio, drawn / "garments.csv", batch_size=5)) == (33, 0, 0, 33, 0)
    assert rows(studio.engine) == before
    assert {source for _, _, source, _ in before.values()} == {"given"}


def test_sources_whose_names_are_not_utf8_are_read(
    studio: Studio, drawn: Path, tmp_path: Path
) -> None:
    """A table's photos go in; those of such a folder are set aside, because they have no name."""
    folder = tmp_path / os.fsdecode(b"\xff")
    folder.mkdir()
    photo = next(drawn.glob("images/*.jpg"))
    table = write_table(folder / "t.csv", [{"image_name": f"images/{photo.name}"}])
    assert counts(ingest(studio, table, image_root=drawn)) == (1, 1, 0, 0, 0)
    shutil.copy(photo, folder)
    assert counts(ingest(studio, folder)) == (1, 0, 0, 0, 1)
    with studio.engine.connect() as connection:
        found = connection.execute(text("SELECT source, state FROM import_run ORDER BY id")).all()
    assert [(source[len(str(tmp_path)) :], state) for source, state in found] == [
        ("/\\udcff/t.csv", "done"),
        ("/\\udcff", "done"),
    ]


def test_what_is_stored_is_what_the_network_says(studio: Studio, drawn: Path) -> None:
    ingest(studio, drawn / "garments.csv")
    photo = sorted(drawn.glob("images/*.jpg"))[7]
    wanted = studio.predict(studio.decode(photo.read_bytes()))
    with studio.engine.connect() as connection:
        row = connection.execute(
            text("SELECT embedding, confidence, label FROM garment WHERE image_path = :path"),
            {"path": str(photo)},
        ).one()
    stored = np.array(row.embedding.to_list(), np.float32)
    assert np.array_equal(stored, wanted.embedding.astype(np.float16).astype(np.float32))
    assert row.confidence == pytest.approx(wanted.confidence_of(row.label), abs=1e-6)


def test_folder_per_category_and_predicted_labels(
    studio: Studio, drawn: Path, tmp_path: Path
) -> None:
    for name in ("tee", "dress", "gown"):
        (tmp_path / name).mkdir()
        for photo in sorted(drawn.glob(f"images/{'dress' if name == 'gown' else name}-*.jpg"))[:2]:
            shutil.copy(photo, tmp_path / name / f"{name}-{photo.name}")
    summary = ingest(studio, tmp_path)
    assert counts(summary) == (6, 4, 0, 0, 2)
    assert "'gown' is none of the labels" in summary.rejects[0]["reason"]
    assert {row[1:3] for row in rows(studio.engine).values()} == {
        ("Tee", "given"),
        ("Dress", "given"),
    }
    again = ingest(studio, tmp_path, labels="predicted")
    assert counts(again) == (6, 2, 4, 0, 0)
    assert {row[2] for row in rows(studio.engine).values()} == {"predicted"}


def test_photos_that_were_uploaded_stay_as_they_are(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "tee").mkdir()
    (tmp_path / "tee" / "a.png").write_bytes(encoded(picture(60, 80)))
    studio.images = open_images(str(tmp_path))
    add_garment(studio, encoded(picture(60, 80, 1)), label="Dress")
    add_garment(studio, encoded(picture(60, 80, 2)))
    before = rows(studio.engine)
    assert counts(ingest(studio, tmp_path)) == (3, 1, 0, 2, 0)
    assert rows(studio.engine).items() > before.items()


def test_changed_bytes_and_changed_labels_are_updated(
    studio: Studio, drawn: Path, tmp_path: Path
) -> None:
    names = []
    for photo in sorted(drawn.glob("images/tee-*.jpg")):
        shutil.copy(photo, tmp_path)
        names.append(photo.name)
    lines = [{"image_name": name, "category_label": "6"} for name in names]
    assert counts(ingest(studio, write_table(tmp_path / "t.csv", lines))) == (3, 3, 0, 0, 0)
    before = rows(studio.engine)
    assert {row[1] for row in before.values()} == {"Tee"}
    (tmp_path / names[0]).write_bytes(encoded(picture(90, 90)))
    lines[1]["category_label"] = "top"
    assert counts(ingest(studio, write_table(tmp_path / "t.csv", lines))) == (3, 0, 2, 1, 0)
    after = rows(studio.engine)
    assert [after[name][0] for name in names] == [before[name][0] for name in names]
    assert after[names[0]][3] != before[names[0]][3]
    assert after[names[1]][1] == "Top"


BROKEN = {
    "empty.jpg": (b"", "0 bytes"),
    "text.jpg": (b"not a photo", "not an image"),
    "cut.jpg": (encoded(picture(300, 300), "JPEG")[:1500], "cut off"),
    "huge.png": (png_header(20_000, 20_000), "more than 50 million pixels"),
}


def test_broken_files_are_recorded_and_stop_nothing(
    studio: Studio, drawn: Path, tmp_path: Path
) -> None:
    for name, (data, _) in BROKEN.items():
        (tmp_path / name).write_bytes(data)
    shutil.copy(next(drawn.glob("images/*.jpg")), tmp_path / "good.jpg")
    lines = [{"image_name": name, "category_label": "Tee"} for name in (*BROKEN, "good.jpg")]
    lines += [
        {"image_name": "gone.jpg", "category_label": "Tee"},
        {"image_name": "good.jpg", "category_label": "Trousers"},
        {"image_name": "good.jpg", "category_label": "11"},
        {"image_name": "nul\0.jpg", "category_label": "Tee"},
        {"image_name": "", "category_label": "Tee"},
    ]
    summary = ingest(studio, write_table(tmp_path / "t.csv", lines))
    assert counts(summary) == (10, 1, 0, 0, 9)
    reasons = {reject["image_path"]: reject["reason"] for reject in summary.rejects}
    assert reasons[""] == "There is no image name."
    for name, (_, words) in BROKEN.items():
        assert words in reasons[name]
    assert all("\n" not in reason for reason in reasons.values())
    with studio.engine.connect() as connection:
        recorded = connection.execute(text("SELECT image_path, reason FROM import_error")).all()
        run = connection.execute(text("SELECT state, seen, added, rejected FROM import_run")).one()
    assert {tuple(row) for row in recorded} == {
        (reject["image_path"], reject["reason"]) for reject in summary.rejects
    }
    assert tuple(run) == ("done", 10, 1, 9)


def test_a_path_listed_twice_is_one_garment(studio: Studio, drawn: Path, tmp_path: Path) -> None:
    shutil.copy(next(drawn.glob("images/*.jpg")), tmp_path / "one.jpg")
    lines = [{"image_name": "one.jpg", "category_label": label} for label in ("Tee", "Tank")]
    assert counts(ingest(studio, write_table(tmp_path / "t.csv", lines))) == (2, 1, 0, 1, 0)
    assert rows(studio.engine)["one.jpg"][1] == "Tank"


@pytest.mark.parametrize("size", [1, 2, 256])
@pytest.mark.parametrize(
    "labels",
    [
        ("Tee", "Tank"),
        ("Tee", "Tank", "Tee"),
        ("Tee", "", "Tank", "Tank"),
        ("", "Tank", ""),
        ("Tee", ""),
    ],
)
def test_of_contradicting_lines_the_last_one_counts_each_time(
    studio: Studio, drawn: Path, tmp_path: Path, labels: tuple[str, ...], size: int
) -> None:
    shutil.copy(next(drawn.glob("images/*.jpg")), tmp_path / "one.jpg")
    lines = [{"image_name": "one.jpg", "category_label": label} for label in labels]
    table = write_table(tmp_path / "t.csv", lines)
    for _ in range(3):
        ingest(studio, table, batch_size=size)
        assert rows(studio.engine)["one.jpg"][1] == [label for label in labels if label][-1]


def test_a_dry_run_counts_as_the_run_would(studio: Studio, drawn: Path, tmp_path: Path) -> None:
    first, second = sorted(drawn.glob("images/*.jpg"))[:2]
    shutil.copy(first, tmp_path / "one.jpg")
    shutil.copy(second, tmp_path / "two.jpg")
    lines = [{"image_name": name} for name in ("one.jpg", "two.jpg", "one.jpg", "one.jpg")]
    table = write_table(tmp_path / "t.csv", lines)
    dry = [counts(ingest(studio, table, dry_run=True, batch_size=size)) for size in (1, 3, 256)]
    assert dry == [counts(ingest(studio, table))] * 3 == [(4, 2, 0, 2, 0)] * 3


def test_a_dry_run_changes_nothing(studio: Studio, drawn: Path) -> None:
    assert counts(ingest(studio, drawn / "garments.csv", dry_run=True)) == (33, 33, 0, 0, 0)
    assert rows(studio.engine) == {}
    with studio.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM import_run")).scalar_one() == 0


def test_killed_in_the_middle_it_goes_on(
    studio: Studio, drawn: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    names = [f"{i}-{p.name}" for i in range(8) for p in sorted(drawn.glob("images/*.jpg"))]
    for name in names:
        shutil.copy(drawn / "images" / name.split("-", 1)[1], tmp_path / name)
    command = [
        sys.executable,
        "-m",
        "service.cli",
        "ingest",
        str(tmp_path),
        "--batch-size",
        "8",
        "--json",
    ]
    killed_at = []
    for wanted in (1, 60, 150):
        process = subprocess.Popen(command, env=os.environ | environment, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while len(rows(studio.engine)) < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed_at.append(len(rows(studio.engine)))
    assert 0 < killed_at[0] < killed_at[1] < killed_at[2] < len(names)
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["seen"] == len(names)
    assert summary["added"] + summary["unchanged"] == len(names)
    assert summary["unchanged"] >= killed_at[2]
    assert sorted(rows(studio.engine)) == sorted(names)


def test_real_photos_go_in_and_find_their_like(
    studio: Studio, real_photos: Path, tmp_path: Path
) -> None:
    lines = list(csv.DictReader((real_photos / "garments.csv").open()))[:120]
    table = write_table(tmp_path / "some.csv", lines)
    assert counts(ingest(studio, table, image_root=real_photos)) == (120, 120, 0, 0, 0)
    wanted = {line["image_name"].removeprefix("images/"): line["category_label"] for line in lines}
    assert {name: row[1] for name, row in rows(studio.engine).items()} == wanted


def test_a_link_to_itself_is_one_reject(studio: Studio, drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    shutil.copy(next(drawn.glob("images/*.jpg")), tmp_path / "good.jpg")
    rooted = studio.settings.model_copy(update={"image_root": str(tmp_path)})
    with Studio(rooted) as here:
        assert here.images.name_of(tmp_path / "good.jpg") == "good.jpg"
        assert counts(ingest(here, tmp_path)) == (2, 1, 0, 0, 1)


def test_a_label_that_a_person_gave_stays_where_the_source_has_none(
    studio: Studio, drawn: Path, tmp_path: Path
) -> None:
    shutil.copy(next(drawn.glob("images/*.jpg")), tmp_path / "one.jpg")
    assert counts(ingest(studio, tmp_path)) == (1, 1, 0, 0, 0)
    with studio.engine.connect() as connection:
        (garment_id,) = connection.scalars(text("SELECT id FROM garment"))
    label = "Romper" if garment_by_id(studio.engine, garment_id).label != "Romper" else "Tee"
    relabel_garment(studio, garment_id, label)
    assert counts(ingest(studio, tmp_path)) == (1, 0, 0, 1, 0)
    assert garment_by_id(studio.engine, garment_id).label == label
    assert counts(ingest(studio, tmp_path, labels="predicted")) == (1, 0, 1, 0, 0)
    assert garment_by_id(studio.engine, garment_id).label_source == "predicted"


def test_an_import_that_is_silent_for_long_is_at_work(
    studio: Studio, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for photo in sorted(drawn.glob("images/*.jpg"))[:2]:
        shutil.copy(photo, tmp_path)
    monkeypatch.setattr("service.catalog.imports.runs.BEAT_EVERY", 0.1)
    swept = []

    def slow(work: Work) -> Iterator[Outcome]:
        for outcome in outcomes(work):
            yield outcome
            with studio.engine.begin() as connection:
                connection.execute(
                    text("UPDATE import_run SET heartbeat_at = now() - interval '2 min'")
                )
            time.sleep(1)
            swept.append(sweep_imports(studio.engine))

    assert counts(ingest(studio, tmp_path, engine=slow)) == (2, 2, 0, 0, 0)
    assert swept == [[], []]
