"""What does it cost to search among the garments of a view?

    .venv/bin/python benchmarks/among.py [--rows 139734] [--questions 200] [--rounds 3]

In an embedded database of its own, garments of the shipped bundle (see `garments`), their indexes, and a
shop's table with a product for each. Garments of the catalog ask for the nine nearest of their label among
all, and among those that views of ever fewer name, in turns: time at the median and the 95th percentile,
as a multiple of the median among all of the same round; the share found of what exact search finds; and the
share that indexes answered.
"""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from filled import filled, parse
from peers.studio import session

from service.catalog import similar
from service.studio import Studio

N = 9
SHARES = (0.5, 0.1, 0.03, 0.01, 0.001)

PRODUCT = (
    "CREATE TABLE product AS SELECT image_path AS photo, random() AS chance FROM garment",
    "CREATE INDEX ON product (photo)",
    "ANALYZE product",
    *(
        f"CREATE VIEW among_{number} AS "
        f"SELECT photo AS image_path FROM product WHERE chance < {share}"
        for number, share in enumerate(SHARES)
    ),
)


def main() -> None:
    arguments = parse(__doc__.splitlines()[0], questions=200)
    with filled(arguments) as (studio, _):
        with session(studio) as connection:
            for statement in PRODUCT:
                connection.execute(statement)
        report(measure(studio, arguments.questions, arguments.rounds))


def measure(studio: Studio, questions: int, rounds: int) -> dict[str, list[tuple]]:
    """By the share that is searched among, of each round: seconds, shares found, answers by index."""
    with session(studio) as connection:
        asked = connection.execute(
            "SELECT id, label FROM garment ORDER BY md5(id::text) LIMIT %s", [questions]
        ).fetchall()

    def ask(among: str | None, *, exact: bool = False) -> tuple[np.ndarray, list[set], float]:
        seconds, answers, indexed = [], [], 0
        for garment, label in asked:
            began = time.perf_counter()
            matches, method = similar(
                studio.engine, garment, labels=[label], n=N, among=among, exact=exact
            )
            seconds.append(time.perf_counter() - began)
            answers.append({match.id for match in matches})
            indexed += method == "hnsw"
        return np.array(seconds), answers, indexed / len(asked)

    choices = {"all": None} | {f"{share:.1%}": str(place) for place, share in enumerate(SHARES)}
    true = {name: ask(among, exact=True)[1] for name, among in choices.items()}
    found: dict[str, list[tuple]] = {name: [] for name in choices}
    for _ in range(rounds):
        for name, among in choices.items():
            seconds, answers, indexed = ask(among)
            shares = [len(a & t) / len(t) for a, t in zip(answers, true[name], strict=True) if t]
            found[name].append((seconds, np.mean(shares), indexed))
    return found


def report(found: dict[str, list[tuple]]) -> None:
    units = [np.median(seconds) for seconds, *_ in found["all"]]
    print(f"p50 among all: {median(units) * 1e3:.2f} ms\n")
    print("| among | p50 | p95 | found | by index |")
    print("| ---: |" + " ---: |" * 4)
    for name, rounds in found.items():
        p50, p95 = (
            median(
                float(np.quantile(one[0], q)) / unit
                for one, unit in zip(rounds, units, strict=True)
            )
            for q in (0.5, 0.95)
        )
        print(f"| {name} | {p50:.2f} | {p95:.2f} | {rounds[0][1]:.3f} | {rounds[0][2]:.0%} |")


if __name__ == "__main__":
    main()
