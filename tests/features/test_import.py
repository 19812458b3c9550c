"""The seed project's files into the catalog: what goes in comes out, and what cannot be is set aside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from service.artifacts import export_features, import_features
from service.catalog import Building, build_indexes, cancel_import, garment_by_id, get_import
from service.catalog.imports import runs
from service.catalog.similarity.shelves import LOCK
from service.errors import ImportCancelled
from service.ingest import ingest
from service.studio import Studio

from .conftest import LABELS, counts, read, stored, vectors, write


def test_a_round_trip_is_bit_equal_in_float16(
    studio: Studio, tmp_path: Path, small_batches: None
) -> None:
    features = vectors(30)
    names = [f'b/{30 - i}, "{i}".jpg' for i in range(30)]
    files = write(tmp_path, features, list(zip(names, range(9), strict=False)) + [
        (name, LABELS[i % 9].upper()) for i, name in enumerate(names[9:])
    ])  # fmt: skip
    assert counts(import_features(studio, *files)) == (30, 30, 0, 0, 0)
    first = tmp_path / "1.csv", tmp_path / "1.npz"
    assert export_features(studio, *first) == 30
    rows, array = read(*first)
    assert (array.dtype, array.shape) == (np.float32, (30, 2048))
    assert [row["image_name"] for row in rows] == names
    assert [int(row["category_label"]) for row in rows] == [*range(9), *(i % 9 for i in range(21))]
    assert array.astype(np.float16).tobytes() == features.astype(np.float16).tobytes()

    assert counts(import_features(studio, *first)) == (30, 0, 0, 30, 0)
    with studio.engine.begin() as connection:
        connection.execute(text("TRUNCATE garment RESTART IDENTITY CASCADE"))
    assert counts(import_features(studio, *first)) == (30, 30, 0, 0, 0)
    second = tmp_path / "2.csv", tmp_path / "2.npz"
    export_features(studio, *second)
    assert [file.read_bytes() for file in second] == [file.read_bytes() for file in first]


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    values=st.lists(st.floats(width=16, allow_nan=False, allow_infinity=False), min_size=1),
    name=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40),
    dtype=st.sampled_from(["<f2", ">f2", "<f4", ">f4", "<f8"]),
)
def test_every_float16_and_every_name_survive(
    studio: Studio, tmp_path: Path, values: list[float], name: str, dtype: str
) -> None:
    """Subnormals, the largest, negative zero; commas, quotes and line ends in names."""
    row = np.resize(np.array([*values, 1.0], dtype), 2048)
    name = f"x{name}"
    with studio.engine.begin() as connection:
        connection.execute(text("TRUNCATE garment CASCADE"))
    files = write(tmp_path, row[None], [(name, "Tee")])
    assert counts(import_features(studio, *files)) == (1, 1, 0, 0, 0)
    assert counts(import_features(studio, *files)) == (1, 0, 0, 1, 0)
    copies = tmp_path / "copy.csv", tmp_path / "copy.npz"
    export_features(studio, *copies)
    rows, array = read(*copies)
    assert rows == [{"image_name": name, "category_label": "6"}]
    assert array.astype(np.float16).tobytes() == row.astype("<f2").tobytes()


def test_an_array_of_any_name_is_read(studio: Studio, tmp_path: Path) -> None:
    table, _ = write(tmp_path, vectors(3))
    np.savez(tmp_path / "stored.npz", arr_0=vectors(3).astype(np.float16))
    assert import_features(studio, table, tmp_path / "stored.npz").added == 3
    _, npz = write(tmp_path, vectors(3, 1), other=np.zeros(4))
    assert import_features(studio, table, npz).updated == 3


def test_into_a_filled_catalog(studio: Studio, tmp_path: Path, small_batches: None) -> None:
    features = vectors(40)
    import_features(studio, *write(tmp_path, features[:20]))
    before = stored(studio)
    features[5] *= 2
    lines = [(f"{i}.jpg", "Dress" if i == 6 else i % 9) for i in range(40)]
    assert counts(import_features(studio, *write(tmp_path, features, lines))) == (40, 20, 2, 18, 0)
    after = stored(studio)
    assert after[:6] == before[:6]
    assert after[6] == ("6.jpg", "Dress")
    assert len(after) == 40


def test_one_that_waits_for_a_builder_says_so_and_can_be_cancelled(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def files(count: int) -> tuple[Path, Path]:
        return write(tmp_path, vectors(count), [(f"{i}.jpg", "Tee") for i in range(count)])

    monkeypatch.setattr(runs, "BEAT_EVERY", 0.05)
    import_features(studio, *files(1100))
    build_indexes(studio.engine)
    told = []
    with studio.engine.connect() as builder:
        builder.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        builder.commit()

        def building(at: Building) -> None:
            told.append(at.phase)
            cancel_import(studio.engine, 2)

        with pytest.raises(ImportCancelled):
            import_features(studio, *files(1300), building=building)
        builder.invalidate()
    assert set(told) == {"waiting for another builder"}
    assert get_import(studio.engine, 2).state == "cancelled"
    assert len(stored(studio)) == 1100


def test_labels_are_given_or_the_bundles_own(studio: Studio, tmp_path: Path) -> None:
    import_features(studio, *write(tmp_path, vectors(1), [("a", "Tee")]))
    import_features(studio, *write(tmp_path, vectors(1), [("b", "Tee")]), labels="predicted")
    first, second = garment_by_id(studio.engine, 1), garment_by_id(studio.engine, 2)
    assert (first.label_source, first.predicted_label) == ("given", None)
    assert (second.label_source, second.predicted_label) == ("predicted", "Tee")
    assert get_import(studio.engine, 2).labels == "predicted"


def test_a_later_ingest_embeds_the_photo(studio: Studio, drawn: Path, tmp_path: Path) -> None:
    photo = next(drawn.glob("images/*.jpg"))
    import_features(studio, *write(tmp_path, vectors(1), [(str(photo), "Tee")]))
    (tmp_path / "t.csv").write_text(f"image_name,category_label\n{photo},Tee\n")
    assert counts(ingest(studio, tmp_path / "t.csv")) == (1, 0, 1, 0, 0)
    assert garment_by_id(studio.engine, 1).confidence is not None
    assert counts(ingest(studio, tmp_path / "t.csv")) == (1, 0, 0, 1, 0)


def test_rows_that_cannot_be_stored_are_set_aside_with_their_numbers(
    studio: Studio, tmp_path: Path, small_batches: None
) -> None:
    features = vectors(24)
    features[1, 7] = np.nan
    features[2, 2047] = -np.inf
    features[3] = 0
    features[4, 0] = 70_000
    features[5] = 1e-9
    lines = [[f"{i}.jpg", "Tee"] for i in range(24)]
    lines[10][1] = "Sari"
    lines[11][1] = "11"
    lines[12][1] = " "
    lines[13][0] = ""
    lines[14][0] = "0.jpg"
    lines[15][0] = "long" * 600
    lines[16][0] = "nul\0.jpg"
    lines[17] = ["17.jpg"]
    lines[18][0] = "3.jpg"  # of which the first one was set aside
    lines[19][1] = "9" * 5000
    summary = import_features(studio, *write(tmp_path, features, lines))
    reasons = {reject["row"]: reject["reason"] for reject in summary.rejects}
    wanted = {
        2: "The embedding has values that are not finite.",
        3: "The embedding has values that are not finite.",
        4: "The embedding is all zero.",
        5: "The embedding has values that are not finite in float16: it holds up to 65,504.",
        6: "The embedding is all zero in float16.",
        11: "'Sari' is none of the labels: ",
        12: "'11' is none of the labels: ",
        13: "There is no label.",
        14: "There is no image name.",
        15: "Row 1 has the same image name.",
        16: "The image name is too long, or not valid UTF-8.",
        17: "The image name is too long, or not valid UTF-8.",
        18: "There is no label.",
        20: "is none of the labels: ",
    }
    assert list(reasons) == list(wanted)
    for row, words in wanted.items():
        assert reasons[row].startswith(f"Row {row}: ")
        assert words in reasons[row]
    assert counts(summary) == (24, 10, 0, 0, 14)
    assert [path for path, _ in stored(studio)] == [
        "0.jpg", "6.jpg", "7.jpg", "8.jpg", "9.jpg", "3.jpg",
        *(f"{i}.jpg" for i in range(20, 24)),
    ]  # fmt: skip
    run = get_import(studio.engine, 1)
    assert (run.state, run.total, run.seen, run.added, run.rejected) == ("done", 24, 24, 10, 14)
    assert [reject["reason"] for reject in run.rejects] == list(reasons.values())
    json.dumps(summary.as_dict()).encode()
