"""The seed project's files in and out of the catalog."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from service.artifacts import bring, export_features, import_features
from service.artifacts.npz import FeatureWriter
from service.catalog import garment_by_id, get_import, is_empty
from service.errors import CatalogEmpty, InvalidParameter, SourceInvalid
from service.ingest import ingest
from service.studio import Studio

HEADER = ("image_name", "category_label")
LABELS = ("Blazer", "Cardigan", "Hoodie", "Jacket", "Sweater", "Tank", "Tee", "Top", "Dress")
COMMAND = (sys.executable, "-m", "service.cli")


def vectors(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 2048), np.float32) + 0.01


def write(
    folder: Path, features: np.ndarray, lines: list | None = None, **arrays: np.ndarray
) -> tuple[Path, Path]:
    """The two files; by default rows `0.jpg, 0`, `1.jpg, 1`, …"""
    table, npz = folder / "labels.csv", folder / "features.npz"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(lines or [(f"{i}.jpg", i % 9) for i in range(len(features))])
    np.savez_compressed(npz, features=features, **arrays)
    return table, npz


def read(table: Path, npz: Path) -> tuple[list[dict[str, str]], np.ndarray]:
    with np.load(npz) as arrays, table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file)), arrays["features"]


def counts(summary) -> tuple[int, int, int, int, int]:
    found = summary.as_dict()
    return tuple(found[k] for k in ("seen", "added", "updated", "unchanged", "rejected"))


def stored(studio: Studio) -> list[tuple[str, str]]:
    with studio.engine.connect() as connection:
        rows = connection.execute(text("SELECT image_path, label FROM garment ORDER BY id"))
        return [tuple(row) for row in rows]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bring, "BATCH", 8)


# --- what goes in comes out ---------------------------------------------------------------------


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


# --- what is set aside --------------------------------------------------------------------------


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


# --- what is refused whole ----------------------------------------------------------------------


def fortran(folder: Path) -> None:
    np.savez(folder / "features.npz", features=np.asfortranarray(vectors(3)))


def cut(folder: Path) -> None:
    data = (folder / "features.npz").read_bytes()
    (folder / "features.npz").write_bytes(data[: len(data) // 2])


def member(folder: Path, data: bytes, name: str = "features.npy") -> None:
    with zipfile.ZipFile(folder / "features.npz", "w") as archive:
        archive.writestr(name, data)


def short(folder: Path) -> None:
    np.save(folder / "x.npy", vectors(3))
    member(folder, (folder / "x.npy").read_bytes()[:-4])


def array(shape: tuple, dtype: object = np.float32):
    return lambda folder: np.savez(folder / "features.npz", features=np.ones(shape, dtype))


def table(words: str | bytes):
    data = words if isinstance(words, bytes) else words.encode()
    return lambda folder: (folder / "labels.csv").write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (array((4, 2048)), "labels.csv has 3 rows and the array in"),
        (array((3, 2047)), r"the shape (3, 2047); it must be (n, 2048)"),
        (array((3 * 2048,)), r"it must be (n, 2048)"),
        (array((3, 2048), np.int64), "holds int64"),
        (array((3, 2048), np.longdouble), "it must hold float16, 32 or 64"),
        (array((3, 2048), object), "holds object"),
        (fortran, "numpy.ascontiguousarray()"),
        (cut, "is no .npz file, or it is cut off"),
        (short, "is not as long as its header says"),
        (lambda f: (f / "features.npz").write_text("hello"), "is no .npz file"),
        (lambda f: np.save((f / "features.npz").open("wb"), vectors(3)), "is no .npz file"),
        (lambda f: (f / "features.npz").unlink(), "No such file"),
        (lambda f: member(f, b"hello"), "The array in"),
        (lambda f: member(f, b""), "The array in"),
        (lambda f: member(f, b"", "readme.txt"), "it has: none"),
        (lambda f: np.savez(f / "features.npz", a=np.ones(1), b=np.ones(1)), "it has: a, b"),
        (table("image,label\na,b\n"), "lacks the column image_name; its columns are: image, label"),
        (table("image_name\na\n"), "lacks the column category_label"),
        (table(""), "its columns are: none"),
        (table(b"image_name,category_label\n\xff\xfe,Tee\n"), "invalid start byte"),
        (lambda f: (f / "labels.csv").unlink(), "labels.csv cannot be read: No such file"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_a_row_is_written(
    studio: Studio, tmp_path: Path, spoil, words: str
) -> None:
    files = write(tmp_path, vectors(3))
    spoil(tmp_path)
    with pytest.raises(SourceInvalid) as refusal:
        import_features(studio, *files)
    assert words in refusal.value.detail
    assert is_empty(studio.engine)
    with studio.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM import_run")) == 0


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_damage_amid_the_array_is_said_and_an_intact_file_puts_it_right(
    studio: Studio, tmp_path: Path, small_batches: None, compression: int
) -> None:
    table, npz = write(tmp_path, vectors(40))
    with zipfile.ZipFile(npz) as archive:
        data = archive.read("features.npy")
    damaged = tmp_path / "damaged.npz"
    with zipfile.ZipFile(damaged, "w", compression) as archive:
        archive.writestr("features.npy", data)
    raw = bytearray(damaged.read_bytes())
    raw[len(raw) // 2] ^= 0x40
    damaged.write_bytes(raw)
    with pytest.raises(SourceInvalid, match="is damaged after row"):
        import_features(studio, table, damaged)
    assert get_import(studio.engine, 1).state == "failed"
    summary = import_features(studio, table, npz)
    assert summary.added + summary.updated + summary.unchanged == 40
    copies = tmp_path / "copy.csv", tmp_path / "copy.npz"
    export_features(studio, *copies)
    rows, array = read(*copies)
    order = [int(row["image_name"].removesuffix(".jpg")) for row in rows]
    assert np.array_equal(array.astype(np.float16), vectors(40).astype(np.float16)[order])


# --- files out, whole or not at all -------------------------------------------------------------


def test_an_empty_catalog_leaves_no_files(studio: Studio, tmp_path: Path) -> None:
    with pytest.raises(CatalogEmpty):
        export_features(studio, tmp_path / "a.csv", tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_the_old_files(studio: Studio, tmp_path: Path) -> None:
    import_features(studio, *write(tmp_path, vectors(2)))
    old = tmp_path / "labels.csv"
    before = old.read_bytes()
    with pytest.raises(InvalidParameter, match=r"gone.*cannot be written"):
        export_features(studio, old, tmp_path / "gone" / "a.npz")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_features(studio, old, tmp_path / "features.npz", progress=stop)
    assert old.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["features.npz", "labels.csv"]


# --- as a user runs it --------------------------------------------------------------------------


def options(files: tuple[Path, Path]) -> list[str]:
    return ["--csv", str(files[0]), "--npz", str(files[1])]


def test_killed_in_the_middle_it_goes_on(
    studio: Studio, environment: dict[str, str], tmp_path: Path
) -> None:
    rows = 12_288
    pattern = vectors(64)
    features = np.vstack([np.roll(pattern, shift, axis=1) for shift in range(rows // 64)])
    files = write(tmp_path, features)
    command = [*COMMAND, "import-features", *options(files), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while is_empty(studio.engine) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed_at = len(stored(studio))
    assert 0 < killed_at < rows
    assert killed_at % bring.BATCH == 0
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["seen"], summary["unchanged"]) == (rows, killed_at)
    assert summary["added"] == rows - killed_at
    assert [path for path, _ in stored(studio)] == [f"{i}.jpg" for i in range(rows)]


RESIDENT = """
import sys
from pathlib import Path
import psutil
from service.artifacts import bring, export_features, import_features
from service.settings import load_settings
from service.studio import Studio
bring.BATCH = 1024
resident = []
look = lambda *_: resident.append(psutil.Process().memory_info().rss)
with Studio(load_settings()) as studio:
    look()
    files = [Path(name) for name in sys.argv[1:]]
    assert import_features(studio, *files[:2], progress=look).added == 16_384
    assert export_features(studio, *files[2:], progress=look) == 16_384
print((max(resident) - resident[0]) // 1_000_000)
"""


def test_memory_does_not_hold_the_array(
    environment: dict[str, str], studio: Studio, tmp_path: Path
) -> None:
    """134 MB of float32, 67 of float16, go in and out of a process that grows by less than 66."""
    rows = 16_384
    table, npz = tmp_path / "labels.csv", tmp_path / "features.npz"
    with FeatureWriter(npz, rows) as features:
        for _ in range(rows // 1024):
            features.write(vectors(1024))
    table.write_text(",".join(HEADER) + "\n" + "".join(f"{i}.jpg,{i % 11}\n" for i in range(rows)))
    done = subprocess.run(
        [sys.executable, "-c", RESIDENT, table, npz, tmp_path / "o.csv", tmp_path / "o.npz"],
        capture_output=True, text=True, cwd=Path(__file__).parents[1], env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 66, done.stdout


def test_by_the_commands_alone(environment: dict[str, str], drawn: Path, tmp_path: Path) -> None:
    files = tmp_path / "labels.csv", tmp_path / "features.npz"
    for command, option, file in (("labels", "--csv", files[0]), ("features", "--npz", files[1])):
        done = run(f"save-{command}", drawn / "images", option, file, "--json")
        assert json.loads(done.stdout) == {"file": str(file)}
    done = run("import-features", *options(files), "--labels", "predicted", "--json")
    summary = json.loads(done.stdout)
    assert list(summary) == [
        "seen", "added", "updated", "unchanged", "rejected", "rejects",
        "moved", "gone", "pruned", "prunes", "seconds",
    ]  # fmt: skip
    assert summary["added"] == 33
    found = json.loads(run("similar", "--id", "1", "--label", "any", "--json").stdout)
    assert (found["returned"], found["query"]["confidence"]) == (9, None)
    assert run("similar", "--id", "1", "--mass", "0.9").returncode == 0
    copies = tmp_path / "copy.csv", tmp_path / "copy.npz"
    done = run("export-features", *options(copies), "--json")
    assert json.loads(done.stdout)["garments"] == 33
    assert np.array_equal(read(*copies)[1], read(*files)[1].astype(np.float16))
    assert read(*copies)[0] == read(*files)[0]

    done = run("import-features", *options((files[0], files[0])))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "is no .npz file" in done.stderr


def run(*arguments: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True)
