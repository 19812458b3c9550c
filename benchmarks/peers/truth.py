"""The right answers, by numpy, and how many of them an answer has."""

from __future__ import annotations

import numpy as np

from peers.contestant import Catalog, unit
from peers.questions import Questions

TIE = 2e-6  # cosines that float32 cannot tell apart


class Truth:
    """For each question the cosine of its k-th nearest garment of the label, itself left out."""

    def __init__(self, catalog: Catalog, questions: Questions, k: int) -> None:
        self.catalog = catalog
        self.questions = questions
        self.queries = unit(questions.vectors)
        available = catalog.counts[questions.places] - (questions.rows >= 0)
        self.wanted = np.minimum(available, k)
        nearest = self._nearest(k)
        self.least = nearest[np.arange(len(nearest)), k - self.wanted.clip(1)]
        self._embeddings = np.load(catalog.embeddings, mmap_mode="r")

    def _nearest(self, k: int) -> np.ndarray:
        """The k highest cosines, rising, (q, k); -inf where there are fewer garments."""
        asked = self.questions
        best = np.full((len(asked.places), k), -np.inf, np.float32)
        for place, rows, vectors in self.catalog.batches_by_label():
            of = np.flatnonzero(asked.places == place)
            cosines = self.queries[of] @ unit(vectors).T
            cosines[asked.rows[of][:, None] == rows] = -np.inf
            best[of] = np.partition(np.hstack([best[of], cosines]), -k, axis=1)[:, -k:]
        return np.sort(best, axis=1)

    def found(self, question: int, answer: list[int]) -> int:
        """How many of an answer's garments are among the nearest; ties count, repetitions do not.

        Raises ValueError for garments of another label, too many of them, or the question itself.
        """
        rows = np.unique(np.array(answer, dtype=np.int64))
        asked = self.questions
        if (
            len(answer) > self.wanted[question]
            or (self.catalog.shelf[rows] != asked.places[question]).any()
            or asked.rows[question] in rows
        ):
            raise ValueError(f"the answer to question {question} is wrong: {answer}")
        if len(rows) == 0:
            return 0
        cosines = unit(self._embeddings[rows].astype(np.float32)) @ self.queries[question]
        return int((cosines >= self.least[question] - TIE).sum())
