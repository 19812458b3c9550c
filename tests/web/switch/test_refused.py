"""A bundle that finds less, or takes longer, is refused; and is taken when told to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.backup import back_up, restore
from service.catalog import (
    Loader,
    ModelRecord,
    Row,
    build_indexes,
    kept_recall,
    last_switch,
    serving_id,
    similar,
)
from service.catalog.similarity.shelves import Shelf
from service.domain import Image, Prediction
from service.errors import SwitchRefused
from service.model import Model
from service.studio import Studio
from service.switch import compare, drop_model, model_of
from service.switch.targets import load

from ...bundles import TITLE, write_variant
from .conftest import switch

Predict = Callable[[Image], Prediction]


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another bundle that says nearly what the shipped one says."""
    folder = tmp_path_factory.mktemp("bundles") / "twin"
    write_variant(folder, "twin", noise=1e-3)
    return folder


def as_loaded(monkeypatch: pytest.MonkeyPatch, change: Callable[[Predict], Predict]) -> None:
    """The new model predicts otherwise."""

    def loaded(studio: Studio, record: ModelRecord) -> Model:
        model = load(studio, record)
        monkeypatch.setattr(model, "predict", change(model.predict))
        return model

    monkeypatch.setattr("service.switch.run.load", loaded)


def refused(studio: Studio, bundle: Path, why: str) -> dict[str, Any]:
    """The report of a refusal that changed nothing, and that --force overrules."""
    with pytest.raises(SwitchRefused, match=why + ".*Nothing was changed; --force"):
        switch(studio, bundle)
    record = last_switch(studio.engine)
    assert record is not None
    assert record.report is not None
    assert record.state == "refused"
    assert studio.follow().card.title == TITLE
    assert serving_id(studio.engine) == studio.model_id
    switch(studio, bundle, force=True)
    assert studio.model.card.name == "twin"
    return record.report


def slower(predict: Predict) -> Predict:
    def say(image: Image) -> Prediction:
        began = time.perf_counter()
        said = predict(image)
        time.sleep(4 * (time.perf_counter() - began))
        return said

    return say


def test_worse_neighbours_are_refused(
    studio: Studio, rows: list[Row], twin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = sorted({row.label for row in rows})
    rng = np.random.default_rng(0)
    centres = dict(zip(labels, rng.random((len(labels), 2048), np.float32), strict=True))
    Loader(studio.engine, studio.model_id).write(
        [
            replace(row, embedding=centres[row.label] + 0.02 * rng.random(2048, np.float32))
            for row in rows
        ]
    )

    def scrambled(predict: Predict) -> Predict:
        def say(image: Image) -> Prediction:
            said = predict(image)
            own = np.random.default_rng(said.embedding.view(np.uint32))
            return replace(said, embedding=own.random(2048, np.float32))

        return say

    as_loaded(monkeypatch, scrambled)
    report = refused(
        studio, twin, r"nearest 10 garments \d+% have the given label, with the old model 20%"
    )
    found = report["neighbours"]
    assert found["same_label_at_10"]["old"]["mean"] == 0.2
    assert found["difference"]["interval_95"][1] < 0
    assert 0 < found["overlap_at_10"]["mean"] < 0.6


def test_an_index_that_misses_neighbours_is_refused(
    studio: Studio, twin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.switch.run.build_indexes", partial(build_indexes, threshold=2))
    monkeypatch.setattr(
        "service.catalog.similarity.recall.similar",
        lambda *args, **how: (similar(*args, **how)[0][1:], "hnsw"),
    )
    report = refused(studio, twin, r"The index of .+ recalls 0\.\d+, under 0\.99")
    assert len(report["index_recall"]) == 11
    assert max(report["index_recall"].values()) <= 0.5
    assert {kept.label for kept in kept_recall(studio.engine)} == set(report["index_recall"])


@pytest.mark.parametrize(
    ("old", "new", "regressions"),
    [(0.986, 0.986, 0), (0.999, 0.986, 1), (0.96, 0.955, 0), (0.999, 0.991, 0), (None, 0.986, 1)],
)
def test_a_recall_that_the_old_index_does_not_reach_either_is_no_regression(
    old: float | None, new: float, regressions: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a label of very many garments an index gives less than the least at best."""
    recalls = {"old": old, "new": new}

    def shelf(engine: str) -> list[Shelf]:
        state = "none" if recalls[engine] is None else "valid"
        return [Shelf("Dress", 367_000, 0, state, 2 * 10**8, None)]

    monkeypatch.setattr(compare, "shelves", shelf)
    monkeypatch.setattr(compare, "measure_recall", lambda engine, label: recalls[engine])
    found = compare.Comparison()
    compare._recall(found, "old", "new")
    assert found.figures["index_recall"] == {"Dress": new}
    assert len(found.regressions) == regressions


def test_a_network_twice_as_slow_is_refused(
    studio: Studio, twin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_loaded(monkeypatch, slower)
    took = refused(studio, twin, "A photo takes the network .* more than 2 times")["photo_ms_p50"]
    assert took["new"] > 2 * took["old"]


def test_a_search_twice_as_slow_is_refused(
    studio: Studio, twin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(where: Any, *args: Any, **how: Any) -> Any:
        began = time.perf_counter()
        found = similar(where, *args, **how)
        if "home" in where.get_execution_options():  # the new model's garments
            time.sleep(0.02 + 3 * (time.perf_counter() - began))
        return found

    monkeypatch.setattr("service.switch.compare.similar", slow)
    took = refused(studio, twin, "A search takes .* more than 2 times")["neighbours"]
    assert took["search_ms_p50"]["new"] > 2 * took["search_ms_p50"]["old"]


def test_a_model_that_was_dropped_is_compared_again_however_often(
    studio: Studio, twin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch(studio, twin, margin=1)
    drop_model(studio, model_of(studio, TITLE))

    as_loaded(monkeypatch, slower)
    for _ in range(2):
        with pytest.raises(SwitchRefused, match="A photo takes the network"):
            switch(studio, TITLE)
        assert studio.follow().card.name == "twin"


def test_a_model_that_served_before_a_restore_is_compared_again_however_often(
    studio: Studio, twin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch(studio, twin, margin=1)
    back_up(studio.engine, studio.images, tmp_path / "catalog.backup")
    drop_model(studio, model_of(studio, TITLE))
    restore(studio.engine, studio.images, tmp_path / "catalog.backup", replace=True)

    as_loaded(monkeypatch, slower)
    for _ in range(2):
        with pytest.raises(SwitchRefused, match="A photo takes the network"):
            switch(studio, TITLE)
        assert studio.follow().card.name == "twin"
