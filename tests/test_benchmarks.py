"""The comparison with peers runs, and reports what it says it does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from .catalog.samples import clustered
from .web.serving import free_port

ROOT = Path(__file__).parents[1]
LABELS = ("Dress", "Tee", "Romper")
ROWS, QUERIES = 600, 60
CONTESTANTS = ("sql", "http", "plain", "seed", "numpy")


@pytest.fixture(scope="module")
def garments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clustered embeddings of three labels of unequal size, as `--embeddings` takes them."""
    file = tmp_path_factory.mktemp("embeddings") / "garments.npz"
    places = np.random.default_rng(5).choice(3, ROWS + QUERIES, p=(0.6, 0.3, 0.1)).astype(np.uint8)
    vectors = np.empty((len(places), 2048), np.float32)
    for place in range(3):
        mine = places == place
        vectors[mine] = clustered(int(mine.sum()), seed=place)
    np.savez(
        file,
        labels=np.array(LABELS),
        shelf=places[:ROWS],
        embeddings=vectors[:ROWS].astype(np.float16),
        queries=vectors[ROWS:],
        query_shelf=places[ROWS:],
    )
    return file


def run(garments: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, ROOT / "benchmarks" / "similarity.py",
            "--embeddings", garments, "--rows", str(ROWS), "--queries", "12", "--rounds", "2",
            "--out", out, *options,
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_similarity_compares_exact_searches(garments: Path, tmp_path: Path) -> None:
    work = tmp_path / "not" / "there"
    done = run(garments, tmp_path, "--contestants", ",".join(CONTESTANTS), "--work", str(work))
    assert done.returncode == 0, done.stderr
    assert list(work.iterdir()) == []
    results = json.loads((tmp_path / "results.json").read_text())["sizes"][str(ROWS)]
    assert set(results) == set(CONTESTANTS)
    for name, result in results.items():
        assert result["state"] == "done", (name, result)
        assert result["recall"] == 1, name  # all are exact below the threshold
        assert set(result["by_label"]) == set(LABELS)
        assert 0 < result["p50_ms"] <= result["p95_ms"]
        assert result["build_seconds"] > 0
        assert result["bytes"] >= ROWS * 2048 * 2
        assert result["peak_memory"] > 2**20
        assert result["times_reference"] > 0
    assert results["sql"]["times_reference"] == 1
    table = (tmp_path / "results.md").read_text(encoding="utf-8")
    assert table.count("this project, HTTP") == 4


def test_similarity_keeps_what_is_done_of_the_same_set_up_and_says_what_failed(
    garments: Path, tmp_path: Path
) -> None:
    done = run(garments, tmp_path, "--contestants", "numpy")
    assert done.returncode == 0, done.stderr
    first = json.loads((tmp_path / "results.json").read_text())["sizes"][str(ROWS)]
    done = run(garments, tmp_path, "--contestants", "numpy,seed", "--cap-memory", "0.001")
    assert done.returncode == 0, done.stderr
    second = json.loads((tmp_path / "results.json").read_text())["sizes"][str(ROWS)]
    assert second["numpy"] == first["numpy"]
    assert second["seed"]["state"] == "failed"
    assert "GiB of memory" in second["seed"]["reason"]
    assert second["seed"]["reason"] in (tmp_path / "results.md").read_text(encoding="utf-8")
    done = run(garments, tmp_path, "--contestants", "numpy", "--work", str(garments))
    assert done.returncode == 2
    assert "cannot be made: File exists" in done.stderr
    done = run(garments, tmp_path, "--contestants", "numpy", "--rounds", "3")
    assert done.returncode == 1
    assert "--fresh" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_report_says_how_wide_a_graph_was_searched_at_each_size(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from peers.report import _settings

    def found(width: str, state: str = "done") -> dict[str, dict[str, str]]:
        said = f"efSearch {width}"
        return {"faiss-hnsw": {"title": "faiss", "settings": said, "state": state, "version": "1"}}

    sizes = {"10000": found("50"), "30000": found("50"), "139734": found("200")}
    assert _settings({"sizes": sizes}) == [
        "- faiss: efSearch 50 (1), at 10,000, 30,000 garments",
        "- faiss: efSearch 200 (1), at 139,734 garments",
    ]
    sizes["139734"] = found("as needed", "failed")
    assert _settings({"sizes": sizes}) == ["- faiss: efSearch 50 (1)"]


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return ROOT / "benchmarks"


def test_a_benchmark_leaves_the_database_of_the_settings_alone(benchmarks: Path) -> None:
    """It would empty it: nothing answers there, and it does not ask."""
    done = subprocess.run(
        [sys.executable, benchmarks / "features.py", "--rows", "50", "--rounds", "1"],
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "FASHION_STUDIO_DATABASE_URL": f"postgresql+psycopg://me@127.0.0.1:{free_port()}/shop",
        },
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = [
        str(file.relative_to(benchmarks))
        for file in benchmarks.rglob("*.py")
        if re.search(r"(?<![\w.])Settings\(", file.read_text(encoding="utf-8"))
    ]
    assert made == ["own.py"]


def test_the_reference_is_in_the_first_group_and_beside_every_other(benchmarks: Path) -> None:
    from peers.contestant import Contestant
    from peers.field import contestant_class, groups

    names, rows, memory = ["lancedb", "usearch", "http", "sql", "numpy"], 1_000_000, 12 << 30
    need = {name: contestant_class(name).memory_a_row * rows for name in names}
    packed = groups(names, memory, rows)
    assert len(packed) > 1
    assert packed[0][0] == "sql"
    assert sorted(name for group in packed for name in group) == sorted(names)
    assert issubclass(contestant_class("sql"), Contestant)
    for group in packed:
        beside = {*group, "sql"}
        assert len(group) == 1 or sum(need[name] for name in beside) <= memory


def test_embeddings_are_kept_of_the_photos_they_are_of(
    benchmarks: Path, tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import garments

    class Encoder:
        requests = 1

        def __init__(self, *_where: object) -> None: ...

        def predict(self, _pixels: np.ndarray) -> SimpleNamespace:
            return SimpleNamespace(embedding=np.ones(2048, np.float32))

    monkeypatch.setattr(garments, "OpenVinoEncoder", Encoder)
    monkeypatch.setattr(garments, "draw_collection", lambda *_: drawn / "garments.csv")
    table = tmp_path / "photos.csv"
    photos = sorted(drawn.glob("images/*.jpg"))
    for count in (2, 3, 2):
        lines = [f"{photo},Tee" for photo in photos[:count]]
        table.write_text("\n".join(["image_name,category_label", *lines]))
        vectors, shelf = garments.embedded(tmp_path, table)
        assert len(vectors) == len(shelf) == 33 + count
