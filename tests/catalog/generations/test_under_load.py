"""Queries while a swap goes on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sqlalchemy import text

from service.catalog import (
    Reembedding,
    beside,
    build_indexes,
    garment_by_id,
    similar,
    swap,
)
from service.errors import (
    ModelMoved,
)

from .conftest import COUNT, as_new, embed


def test_a_swap_holds_queries_up_for_moments_only(engine, reembedding):
    """A long reader keeps the swap out, and the swap never keeps others waiting behind it."""
    embed(reembedding)
    with engine.connect() as reader, ThreadPoolExecutor(1) as pool:
        reader.execute(text("SELECT count(*) FROM garment"))  # in a transaction that stays open
        swapping = pool.submit(swap, engine, reembedding)
        waits = []
        for _ in range(20):
            with engine.connect() as other:
                other.execute(text("SET statement_timeout = '5s'"))
                waits.append(
                    other.scalar(
                        text(
                            "SELECT extract(epoch FROM clock_timestamp() - now()) FROM garment LIMIT 1"
                        )
                    )
                )
        assert not swapping.done()
        reader.rollback()
        swapping.result(30)
    assert max(map(float, waits)) < 2


def test_under_load_no_answer_mixes_two_models(engine, model_id, new_id, stocked, reembedding):
    """Both models' queries, garments' own queries and writes, while the models take turns to serve."""
    build_indexes(engine, threshold=50)
    embed(reembedding)
    build_indexes(beside(engine, new_id), threshold=50)
    numbers = range(0, COUNT, 10)
    queries = {
        model_id: {i: stocked[i] for i in numbers},
        new_id: {i: as_new(f"Tee/0/{i:06}.jpg") for i in numbers},
    }

    def found(vector_or_id, model):
        matches, _ = similar(engine, vector_or_id, labels=["Tee"], n=5, model_id=model)
        return [(match.id, round(match.similarity, 4)) for match in matches]

    truth = {m: {i: found(v, m) for i, v in of.items()} for m, of in queries.items()}
    assert truth[model_id] != truth[new_id]
    own = {}
    for m, where in ((model_id, engine), (new_id, beside(engine, new_id))):
        own[m] = {
            i: [
                (x.id, round(x.similarity, 4))
                for x in similar(where, i + 1, labels=["Tee"], n=5)[0]
            ]
            for i in numbers
        }
    stop, wrong, asked = threading.Event(), [], []

    def ask(turn):
        rng = np.random.default_rng(turn)
        while not stop.is_set():
            m, i = int(rng.choice([model_id, new_id])), int(rng.choice(list(numbers)))
            if found(queries[m][i], m) != truth[m][i]:
                wrong.append((m, i))
            garment = garment_by_id(engine, i + 1)
            try:
                if found(i + 1, garment.model_id) != own[garment.model_id][i]:
                    wrong.append(("own", garment.model_id, i))
            except ModelMoved:  # between the two questions: whoever asks reads the garment again
                pass
            asked.append(m)

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask, turn) for turn in range(3)]
        try:
            for turn in range(12):
                swap(engine, Reembedding(engine, [new_id, model_id][turn % 2]))
        finally:
            stop.set()
        for thread in asking:
            thread.result(60)
    assert wrong == []
    assert {model_id, new_id} == set(asked)
