"""How hard must an index be searched, and what does each effort cost?

    .venv/bin/python benchmarks/effort.py [--rows 139734] [--questions 300] [--rounds 3]

In an embedded database of its own, garments of the shipped bundle (see `garments`) and their indexes.
Garments that the catalog lacks ask for the ten nearest of their own label, and of another one by chance,
which they are far from. Each effort alone, and then as shipped, where what the first finds decides
whether there is a second. In turns, so that all see the same machine: recall@10 against exact search (of
all questions; of the worst label), and time at the median, the 95th percentile and in the mean, as a
multiple of the first effort's median of the same round.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
from filled import filled, parse
from garments import Garments

from service.catalog import similar
from service.catalog.similarity import search
from service.catalog.similarity.effort import Effort, efforts
from service.studio import Studio

N = 10
ALONE = [(40, 20), (40, 30), (80, 30), (120, 30), (320, 80), (640, 80), (1000, 160), (1000, 320)]
Choose = Callable[..., tuple[Effort, ...]]


def main() -> None:
    arguments = parse(__doc__.splitlines()[0], questions=300)
    with filled(arguments) as (studio, garments):
        for name, places in questions(garments, arguments.questions).items():
            print(f"\n{name}\n")
            report(measure(studio, garments, places, arguments.rounds))


def questions(garments: Garments, count: int) -> dict[str, list[tuple[int, int]]]:
    """The query's row and the place of the label that it asks for."""
    rng = np.random.default_rng(3)
    chosen = rng.choice(len(garments.queries), count, replace=False)
    own = [(int(query), int(garments.query_shelf[query])) for query in chosen]
    others = rng.integers(1, len(garments.labels), count)
    far = [
        (query, int((place + step) % len(garments.labels)))
        for (query, place), step in zip(own, others, strict=True)
    ]
    return {"Of their own label": own, "Of another label": far}


def measure(
    studio: Studio, garments: Garments, asked: list[tuple[int, int]], rounds: int
) -> dict[str, tuple[list[np.ndarray], np.ndarray, np.ndarray, int]]:
    """By effort: each round's seconds, shares found, labels' places, and searches made."""
    vectors = garments.queries.astype(np.float16).astype(np.float32)
    searched = 0
    one = search._search

    def counted(*given):
        nonlocal searched
        searched += 1
        return one(*given)

    def ask(choose: Choose, *, exact: bool = False) -> tuple[np.ndarray, list[set[int]]]:
        search.efforts = choose
        seconds, answers = [], []
        for query, place in asked:
            began = time.perf_counter()
            label = garments.labels[place]
            matches, _ = similar(studio.engine, vectors[query], labels=[label], n=N, exact=exact)
            seconds.append(time.perf_counter() - began)
            answers.append({match.id for match in matches})
        return np.array(seconds), answers

    search._search = counted
    try:
        _, true = ask(efforts, exact=True)
        choices: dict[str, Choose] = {
            f"{follow} followed, {few} compared": partial(only, Effort(follow, few))
            for follow, few in ALONE
        }
        choices["as shipped"] = efforts
        found = {}
        for _ in range(rounds):
            for name, choose in choices.items():
                searched = 0
                seconds, answers = ask(choose)
                shares = [len(a & t) / len(t) for a, t in zip(answers, true, strict=True)]
                places = np.array([place for _, place in asked])
                times = found[name][0] if name in found else []
                found[name] = ([*times, seconds], np.array(shares), places, searched)
    finally:
        search._search, search.efforts = one, efforts
    return found


def only(effort: Effort, _n: int, *, vast: bool = False) -> tuple[Effort, ...]:
    return (effort,)


def report(found: dict[str, tuple[list[np.ndarray], np.ndarray, np.ndarray, int]]) -> None:
    units = [np.median(seconds) for seconds in next(iter(found.values()))[0]]
    print(f"p50 of the first: {median(units) * 1e3:.2f} ms\n")
    print("| effort | recall@10 | worst label | searches | p50 | p95 | mean |")
    print("| --- |" + " ---: |" * 6)
    for name, (rounds, shares, places, searches) in found.items():
        worst = min(shares[places == place].mean() for place in np.unique(places))
        cells = [
            f"{median(of(seconds) / unit for seconds, unit in zip(rounds, units, strict=True)):.2f}"
            for of in (np.median, lambda s: np.quantile(s, 0.95), np.mean)
        ]
        print(
            f"| {name} | {shares.mean():.4f} | {worst:.4f} | {searches / len(shares):.2f} | "
            + " | ".join(cells)
            + " |"
        )


if __name__ == "__main__":
    main()
