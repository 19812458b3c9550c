"""What photos do not say of themselves, guessed by those that do: pseudo-labels (Lee 2013)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from service.decode import Limits
from service.drafts import drafts
from service.encoder import load_encoder, place_of
from service.encoder.calibration import unit
from service.errors import InvalidParameter, TrainingImpossible
from service.settings import Settings
from service.training.data import Sample
from service.training.observe import Observed, Progress, observe
from service.training.weights import IMAGENET, NOTHING

SURE = 0.5
"""Probability from which on a guess counts. Of 660 drawn pictures it had never seen, `lite0-fashion@3` was as
sure of 0.98 of the colour families, and 0.87 of these were right."""
LOOSE = (0.04, 0.4, 4.0, 40.0)
"""How closely the linear layer may follow its examples (scikit-learn's C, for unit embeddings): so that of
those that it has not seen it is rightly sure, which a few that tell nothing never are."""
FOLDS = 3  # parts that the examples are seen in turn without; a rarer value is not guessed


def require_bundle(origin: str) -> Path:
    """The bundle whose features tell what is guessed. Raises `InvalidParameter` where `origin`, of
    `--weights`, is none."""
    if origin in (NOTHING, IMAGENET) or (place := place_of(origin)).suffix == ".safetensors":
        raise InvalidParameter(
            "--guess asks the features of a bundle: give --weights shipped or BUNDLE."
        )
    return place


def guessed(
    samples: Sequence[Sample],
    columns: Sequence[str],
    bundle: Path,
    settings: Settings,
    kept: Path,
    progress: Progress,
) -> tuple[list[Sample], dict[str, int]]:
    """The samples, where they lack one of the columns with what one linear layer on the bundle's features
    says, learnt from the samples that have it, where it is sure; and of each column how many were guessed.

    A photo of none of the categories is neither asked nor believed. kept: a file that holds the guesses, so
    that a run that goes on learns the same again. Raises `TrainingImpossible` where fewer than two
    values of a column have `FOLDS` photos, `BundleInvalid`, `StorageUnavailable`.
    """
    if kept.exists():
        guesses = json.loads(kept.read_text(encoding="utf-8"))
    else:
        encoder = load_encoder(settings.model_copy(update={"model": bundle}))
        shown = [number for number, sample in enumerate(samples) if not sample.outlier]
        observed = observe(encoder, [samples[n] for n in shown], Limits.of(settings), progress)
        numbers = {id(samples[n]): n for n in shown}
        rows = [numbers[id(sample)] for sample in observed.samples]
        guesses = {}
        for column in columns:
            said = _guesses(observed, column)
            guesses[column] = {str(rows[row]): value for row, value in said.items()}
        with drafts(kept) as (draft,):
            draft.write_text(json.dumps(guesses), encoding="utf-8")
    completed = [
        replace(sample, columns=sample.columns | _of(guesses, str(number)))
        for number, sample in enumerate(samples)
    ]
    return completed, {column: len(values) for column, values in guesses.items()}


def _of(guesses: dict[str, dict[str, str]], number: str) -> dict[str, str]:
    """What is guessed of one sample, by column."""
    return {column: values[number] for column, values in guesses.items() if number in values}


def _guesses(observed: Observed, column: str) -> dict[int, str]:
    """Of the rows without a value, those that the others' values tell surely."""
    from sklearn.linear_model import LogisticRegressionCV

    values = observed.column(column).astype(str)
    enough = {value for value, photos in Counter(values).items() if value and photos >= FOLDS}
    known, asked = np.flatnonzero(np.isin(values, sorted(enough))), np.flatnonzero(values == "")
    if len(enough) < 2:
        raise TrainingImpossible(
            f"--guess {column}: of the photos to learn from, {FOLDS} or more show fewer than two values "
            "of it. Give photos of more, such as drawn ones."
        )
    if not len(asked):
        return {}
    embeddings = unit(observed.features)
    layer = LogisticRegressionCV(
        Cs=LOOSE,
        cv=FOLDS,
        scoring="neg_log_loss",
        max_iter=300,
        use_legacy_attributes=False,
        l1_ratios=(0,),
    ).fit(embeddings[known], values[known])
    chances = layer.predict_proba(embeddings[asked])
    return {
        int(row): str(layer.classes_[chance.argmax()])
        for row, chance in zip(asked, chances, strict=True)
        if chance.max() >= SURE
    }
