"""Contestants in one field: built one after the other, then asked in turns."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from peers import REFERENCE, contestant_class
from peers.contestant import Catalog
from peers.process import Caps, Process, Stopped
from peers.questions import Questions
from peers.rounds import Round
from peers.truth import Truth
from peers.worker import Built

Result = dict[str, Any]
Say = Callable[[str], None]
RECALL = 0.99
"""recall@10 of every label, which is asked of all; who has a choice is set to find as much."""

SHARED = ("sql", "http")  # one database, in one folder


@dataclass(frozen=True)
class Terms:
    """What is the same for all. rounds: the questions of each. seconds: what one should take."""

    k: int
    rounds: Sequence[np.ndarray]
    seconds: float
    caps: Caps


class Field:
    """One size of catalog. held_out and from_catalog are two sets of questions on the same labels."""

    def __init__(
        self, catalog: Catalog, held_out: Questions, from_catalog: Questions, terms: Terms, say: Say
    ) -> None:
        self.catalog = catalog
        self.terms = terms
        self.say = say
        self.truths = {
            False: Truth(catalog, held_out, terms.k),
            True: Truth(catalog, from_catalog, terms.k),
        }
        self._alive: dict[str, Process] = {}
        self._built: dict[str, Built] = {}
        self._width: dict[str, int] = {}

    def run(self, names: Sequence[str], work: Path, memory: int) -> Iterator[dict[str, Result]]:
        """The results of one group after the other, by name.

        memory: bytes that a group may hold while it is asked. The reference, where it takes part,
        stays for every group; its own figures are the first group's.
        """
        try:
            for number, group in enumerate(groups(names, memory, self.catalog.rows)):
                results: dict[str, Result] = {}
                for name in group:
                    self._build(name, work, results)
                results = self._ask(list(self._alive)) | results
                if number:
                    results.pop(REFERENCE, None)
                yield results
                for name in group:
                    if name != REFERENCE:
                        self._end(name)
        finally:
            for name in list(self._alive):
                self._end(name)

    def _build(self, name: str, work: Path, results: dict[str, Result]) -> None:
        self.say(f"{name}: builds")
        truth = self.truths[contestant_class(name).by_garment]
        folder = work / ("postgres" if name in SHARED else name)
        process = Process(
            name, folder, self.catalog, truth.questions, self.terms.k, self.terms.caps
        )
        self._alive[name] = process
        try:
            self._built[name] = process.built()
            self.say(f"{name}: built in {self._built[name].seconds:.1f} s")
        except Stopped as stop:
            results[name] = self._failed(name, stop)

    def _ask(self, names: list[str]) -> dict[str, Result]:
        """Rounds in turns: one's round, the next one's, and again."""
        failed: dict[str, Result] = {}
        notes: dict[str, list[Round]] = {name: [] for name in names}
        limits: dict[str, int] = {}
        for number in range(-1, len(self.terms.rounds)):  # the first is for warming up
            for name in list(names):
                try:
                    if number < 0:
                        self._tune(name)
                        limits[name] = self._warm_up(name)
                        self._alive[name].ask(self.terms.rounds[-1][: limits[name]])
                    else:
                        chosen = self.terms.rounds[number][: limits[name]]
                        if len(chosen) > len(self.catalog.labels):  # idle since its last turn
                            self._alive[name].ask(chosen[: len(self.catalog.labels)])
                        notes[name].append(self._round(name, chosen))
                except (Stopped, ValueError) as stop:
                    failed[name] = self._failed(name, stop)
                    names.remove(name)
        done = {name: self._summary(name, notes[name]) for name in names}
        reference = notes.get(REFERENCE) if REFERENCE in names else None
        for name, result in done.items():
            if reference:
                ratios = [
                    mine.quantile(0.5) / theirs.quantile(0.5)
                    for mine, theirs in zip(notes[name], reference, strict=True)
                ]
                result["times_reference"] = median(ratios)
        return done | failed

    def _tune(self, name: str) -> None:
        """Search as wide as it takes for `RECALL` of every label, of the questions that will be asked:
        a graph that finds less is faster, and cannot be compared."""
        before, found = None, -1.0
        for width in contestant_class(name).widths:
            self._widen(name, width)
            few = self._warm_up(name)
            asked = np.concatenate([chosen[:few] for chosen in self.terms.rounds])
            least = min(self._round(name, asked).recalls().values())
            self.say(f"{name}: width {width} finds {least:.4f} of the worst label")
            if least >= RECALL:
                return
            if least <= found and before is not None:  # what it lacks, no width finds
                self._widen(name, before)
                return
            before, found = width, least

    def _widen(self, name: str, width: int) -> None:
        self._alive[name].widen(width)
        self._width[name] = width

    def _warm_up(self, name: str) -> int:
        """One question of each label, twice; returns how many a round can have."""
        labels = len(np.unique(self.truths[False].questions.places))
        first = self.terms.rounds[0][:labels]
        self._alive[name].ask(first)
        began = time.perf_counter()
        self._alive[name].ask(first)
        each = (time.perf_counter() - began) / labels
        return int(max(labels, self.terms.seconds / each))

    def _round(self, name: str, chosen: np.ndarray) -> Round:
        process = self._alive[name]
        cpu, began = process.cpu_seconds(), time.perf_counter()
        seconds, answers = process.ask(chosen)
        wall = time.perf_counter() - began
        cores = (process.cpu_seconds() - cpu) / wall
        truth = self.truths[contestant_class(name).by_garment]
        places = truth.questions.places[chosen]
        share = (
            self.catalog.counts
            / self.catalog.rows
            / np.bincount(places, minlength=len(self.catalog.labels)).clip(1)
        )
        found = [truth.found(q, answer) for q, answer in zip(chosen, answers, strict=True)]
        return Round(seconds, places, share[places], np.array(found), truth.wanted[chosen], cores)

    def _summary(self, name: str, rounds: Sequence[Round]) -> Result:
        process, built, made = self._alive[name], self._built[name], contestant_class(name)
        process.look()
        whole = Round.joined(rounds)
        by_label = {}
        for place, label in enumerate(self.catalog.labels):
            mine = whole.places == place
            if mine.any():
                by_label[label] = {
                    "rows": int(self.catalog.counts[place]),
                    "asked": int(mine.sum()),
                    "p50_ms": float(np.median(whole.seconds[mine]) * 1e3),
                    "p95_ms": float(np.quantile(whole.seconds[mine], 0.95) * 1e3),
                    "recall": whole.recall(mine),
                }
        return {
            "state": "done",
            "title": made.title,
            "settings": self._settings(name),
            "version": built.version,
            "p50_ms": median(one.quantile(0.5) for one in rounds) * 1e3,
            "p95_ms": median(one.quantile(0.95) for one in rounds) * 1e3,
            "rounds_p50_ms": [one.quantile(0.5) * 1e3 for one in rounds],
            "asked": sum(len(one.seconds) for one in rounds),
            "recall": whole.recall(),
            "by_label": by_label,
            "build_seconds": built.seconds,
            "bytes": built.bytes,
            "stored": made.stored,
            "peak_memory": process.peak,
            "cores": median(one.cores for one in rounds),
        }

    def _failed(self, name: str, why: Exception) -> Result:
        self.say(f"{name}: {why}")
        made = contestant_class(name)
        self._end(name)
        return {
            "state": "failed",
            "title": made.title,
            "settings": self._settings(name),
            "reason": str(why),
        }

    def _settings(self, name: str) -> str:
        width = self._width.get(name)
        settings = contestant_class(name).settings
        return settings.replace("{width}", "as needed" if width is None else str(width))

    def _end(self, name: str) -> None:
        process = self._alive.pop(name, None)
        if process is not None:
            process.close()
            if name not in SHARED:
                shutil.rmtree(process.folder, ignore_errors=True)


def groups(names: Sequence[str], memory: int, rows: int) -> list[list[str]]:
    """As many in a group as fit the memory together, and at least one; the reference comes first and stays,
    then those that need the least."""
    packed: list[list[str]] = []
    free = 0
    needs = {name: contestant_class(name).memory_a_row * rows for name in names}
    for name in sorted(names, key=lambda name: (name != REFERENCE, needs[name])):
        need = needs[name]
        if not packed or need > free:
            free = memory - (needs.get(REFERENCE, 0) if packed else 0)
            packed.append([])
        packed[-1].append(name)
        free -= need
    return packed
