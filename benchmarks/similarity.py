"""Similarity search within a label: this project beside its peers, in one run.

    .venv-bench/bin/python benchmarks/similarity.py [--rows 139734] [--sizes 10000,30000,…]
        [--contestants sql,http,numpy,…] [--out build/similarity]

`make bench` installs the peers and calls it. Writes `results.json`, `results.md` and
`similarity.png`. A contestant that is done at a size is kept by the next run, unless --fresh.

Each contestant lives in a process of its own. Those that fit the memory together are built one after
the other and then asked in turns, a round each, other questions in every round: all see the same
machine. p50 and p95 are medians of the rounds. Each label's questions weigh as much as its share of
the catalog.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from garments import CACHE, PHOTOS, Garments, load
from peers import CONTESTANTS, REFERENCE, plot, report
from peers.contestant import Catalog
from peers.field import RECALL, Field, Terms
from peers.process import Caps
from peers.questions import from_catalog, held_out, rounds
from peers.worker import clear_environment

K = 10
GIB = 2**30


def main() -> None:
    arguments = parse()
    clear_environment()
    sizes = sorted({arguments.rows, *arguments.sizes})
    whole, origin = read(arguments, max(sizes))
    setup = {
        "data": origin, "k": K, "recall": RECALL, "queries": arguments.queries, "rounds": arguments.rounds,
    }  # fmt: skip
    results = previous(arguments.out, setup, fresh=arguments.fresh)
    results["machine"] = report.machine()
    for size in sizes:
        kept = results["sizes"].setdefault(str(size), {})
        pending = [n for n in arguments.contestants if kept.get(n, {}).get("state") != "done"]
        if pending and REFERENCE in arguments.contestants and REFERENCE not in pending:
            pending.insert(0, REFERENCE)  # for the others' ratios; its own figures are kept
        if not pending:
            continue
        say(f"{size:,} garments: {', '.join(pending)}")
        with tempfile.TemporaryDirectory(
            prefix="fashion-studio-bench-", dir=arguments.work, ignore_cleanup_errors=True
        ) as work:
            field = prepare(whole, size, Path(work), arguments)
            groups = field.run(pending, Path(work), int(arguments.memory * GIB))
            with contextlib.closing(groups):
                for found in groups:
                    for name, result in found.items():
                        if kept.get(name, {}).get("state") != "done":
                            kept[name] = result
                    save(arguments.out, results)
    save(arguments.out, results)
    table = report.markdown(results, headline=arguments.rows)
    (arguments.out / "results.md").write_text(table, encoding="utf-8")
    print(table)
    if plot.draw(results, arguments.out / "similarity.png"):
        say(f"wrote {arguments.out}/results.json, results.md, similarity.png")
    else:
        say(f"wrote {arguments.out}/results.json, results.md; matplotlib is missing for the plot")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--rows", type=int, default=139_734, help="the size that is shown by label")
    add("--sizes", type=numbers, default=[], help="further sizes, for the plot: 10000,30000")
    add("--contestants", type=names, default=list(CONTESTANTS), help=",".join(CONTESTANTS))
    add("--queries", type=int, default=200, help="of each round; fewer where one is slow")
    add("--rounds", type=int, default=5)
    add("--round-seconds", type=float, default=30, help="of a slow contestant's round, about")
    add("--cap-minutes", type=float, default=20, help="most of a build, and of a round")
    half = psutil.virtual_memory().total / GIB / 2
    add("--memory", type=float, default=half, help="GiB that are asked side by side")
    add("--cap-memory", type=float, default=1.6 * half, help="GiB that one may take")
    add("--embeddings", type=Path, help="a .npz with the fields of garments.Garments, instead")
    add("--photos", type=Path, default=PHOTOS, help="real photos to generate from")
    add("--cache", type=Path, default=CACHE, help="where the generated garments are kept")
    add("--work", type=folder, help="where the databases are built")
    add("--out", type=folder, default="build/similarity")
    add("--fresh", action="store_true", help="measure again what is done")
    return parser.parse_args()


def folder(text: str) -> Path:
    """Made where it is not there."""
    path = Path(text)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path} cannot be made: {error.strerror}") from None
    return path


def numbers(text: str) -> list[int]:
    return [int(part.replace("_", "")) for part in text.split(",")]


def names(text: str) -> list[str]:
    unknown = sorted(set(text.split(",")) - set(CONTESTANTS))
    if unknown:
        raise argparse.ArgumentTypeError(f"no contestant {', '.join(unknown)}")
    return [name for name in CONTESTANTS if name in text.split(",")]


def read(arguments: argparse.Namespace, rows: int) -> tuple[Garments, str]:
    """The largest catalog, and a name for where it comes from."""
    file: Path | None = arguments.embeddings
    if file is None:
        garments = load(rows, arguments.cache, arguments.photos)
        return garments, Path(garments.embeddings.filename).stem.rpartition("-")[0]
    with np.load(file) as stored:
        fields = {name: stored[name] for name in Garments.__annotations__ if name != "labels"}
        garments = Garments(labels=tuple(stored["labels"].tolist()), **fields)
    with file.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
    if len(garments.embeddings) < rows:
        raise SystemExit(f"{file} has {len(garments.embeddings)} garments, not {rows}.")
    return garments, f"{file.name}-{digest[:12]}"


def prepare(whole: Garments, size: int, work: Path, arguments: argparse.Namespace) -> Field:
    """The first `size` garments as files, the questions about them and the right answers."""
    (work / "labels.json").write_text(json.dumps(whole.labels))
    np.save(work / "shelf.npy", whole.shelf[:size])
    if isinstance(whole.embeddings, np.memmap):
        embeddings = Path(whole.embeddings.filename)
    else:
        embeddings = work / "embeddings.npy"
        np.save(embeddings, whole.embeddings.astype(np.float16))
    catalog = Catalog(embeddings, work, size)
    asked = np.flatnonzero(catalog.counts[whole.query_shelf] > K)
    places = whole.query_shelf[asked]
    terms = Terms(
        k=K,
        rounds=rounds(places, arguments.rounds, arguments.queries, len(whole.labels)),
        seconds=arguments.round_seconds,
        caps=Caps(arguments.cap_minutes * 60, int(arguments.cap_memory * GIB)),
    )
    say("the right answers")
    return Field(
        catalog,
        held_out(whole.queries[asked], places),
        from_catalog(whole.embeddings, catalog.shelf, places),
        terms,
        say,
    )


def previous(out: Path, setup: dict, *, fresh: bool) -> dict:
    """The results so far. Ends the program where they are of another set-up."""
    file = out / "results.json"
    if file.exists() and not fresh:
        results = json.loads(file.read_text())
        if results["setup"] != setup:
            raise SystemExit(
                f"{file} was measured with {results['setup']}, not {setup}: add --fresh or "
                "another --out."
            )
        return results
    return {"setup": setup, "sizes": {}}


def save(out: Path, results: dict) -> None:
    draft = out / "results.draft"
    draft.write_text(json.dumps(results, indent=1), encoding="utf-8")
    draft.replace(out / "results.json")


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    main()
