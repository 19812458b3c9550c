"""The seed project's files as a user brings and takes them: killed, within memory, by the commands alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sqlalchemy import text

from service.artifacts import bring, export_features, import_features
from service.artifacts.npz import FeatureWriter
from service.catalog import is_empty
from service.studio import Studio

from .conftest import HEADER, read, stored, vectors, write

COMMAND = (sys.executable, "-m", "service.cli")


def options(files: tuple[Path, Path]) -> list[str]:
    return ["--csv", str(files[0]), "--npz", str(files[1])]


def test_killed_in_the_middle_it_goes_on(
    studio: Studio, environment: dict[str, str], tmp_path: Path
) -> None:
    rows = 12_288
    pattern = vectors(64)
    features = np.vstack([np.roll(pattern, shift, axis=1) for shift in range(rows // 64)])
    files = write(tmp_path, features, compressed=False)  # 100 MB, which take five seconds to pack
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
    copies = tmp_path / "copy.csv", tmp_path / "copy.npz"
    export_features(studio, *copies)
    lines, values = read(*copies)
    assert [line["image_name"] for line in lines] == [f"{i}.jpg" for i in range(rows)]
    assert np.array_equal(values, features.astype(np.float16))


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
        capture_output=True, text=True, cwd=Path(__file__).parents[2], env=os.environ,
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


def test_given_labels_that_the_bundle_lacks_are_counted_when_they_go_out(
    environment: dict[str, str], studio: Studio, tmp_path: Path
) -> None:
    import_features(studio, *write(tmp_path, vectors(3)))
    copies = tmp_path / "copy.csv", tmp_path / "copy.npz"
    done = run("export-features", *options(copies))
    assert done.stderr == f"3 garments: {copies[0]}, {copies[1]}\n"
    with studio.engine.begin() as connection:
        connection.execute(text("INSERT INTO category (name, position) VALUES ('Sari', 99)"))
        connection.execute(text("UPDATE garment SET label = 'Sari' WHERE id > 1"))
    done = run("export-features", *options(copies), "--json")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(
        "2 of the garments have a given label that the bundle lacks, such as Sari:"
    )
    with studio.engine.begin() as connection:
        connection.execute(text("DELETE FROM garment"))
        connection.execute(text("DELETE FROM category WHERE name = 'Sari'"))
    summary = json.loads(run("import-features", *options(copies), "--json").stdout)
    assert (summary["added"], [one["row"] for one in summary["rejects"]]) == (1, [2, 3])


def run(*arguments: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True)
