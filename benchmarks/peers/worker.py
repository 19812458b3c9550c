"""A process around one contestant, so that its memory is its own and ends with it."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from peers import contestant_class
from peers.contestant import Catalog
from peers.questions import Questions


@dataclass(frozen=True)
class Built:
    """What a contestant says of itself when it is ready. servers: process ids besides its own."""

    seconds: float
    bytes: int
    version: str | None
    servers: list[int]


@dataclass(frozen=True)
class Failed:
    reason: str


def work(
    pipe: Connection, name: str, folder: Path, catalog: Catalog, questions: Questions, k: int
) -> None:
    """Build, report, then answer every list of questions that comes; a number is a width to search
    with from then on, and None ends it.

    Answers a list with its times in seconds and the answers; sends `Failed` instead where the
    contestant cannot be imported or raises.
    """
    made = None
    try:
        began = time.perf_counter()
        made = contestant_class(name)(folder)
        made.build(catalog)
        seconds = getattr(made, "build_seconds", time.perf_counter() - began)
        version = made.package and importlib.metadata.version(made.package)
        pipe.send(Built(seconds, made.bytes(), version, made.servers()))
        while (chosen := pipe.recv()) is not None:
            if isinstance(chosen, int):
                made.widen(chosen)
                pipe.send(None)
                continue
            times, answers = [], []
            for question in chosen:
                query = (
                    int(questions.rows[question])
                    if made.by_garment
                    else questions.vectors[question]
                )
                label = catalog.labels[questions.places[question]]
                began = time.perf_counter()
                answer = made.search(query, label, k)
                times.append(time.perf_counter() - began)
                answers.append(answer)
            pipe.send((np.array(times), answers))
    except ModuleNotFoundError as error:
        pipe.send(Failed(f"not installed: {error.name}"))
    except (KeyboardInterrupt, EOFError, BrokenPipeError):  # the parent is gone, or going
        pass
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        pipe.send(Failed(f"{type(error).__name__}: {said[:300]}"))
    finally:
        with contextlib.suppress(Exception):
            if made is not None:
                made.close()


def clear_environment() -> None:
    """For this process's children: no settings of another studio, no bars, no telemetry.

    One thread in numpy's products: a second one on the same core gains nothing, and each product
    would wait for both.
    """
    for name in [name for name in os.environ if name.startswith("FASHION_STUDIO_")]:
        del os.environ[name]
    os.environ.update(
        OPENBLAS_NUM_THREADS="1",
        TQDM_DISABLE="1",
        ANONYMIZED_TELEMETRY="False",
        GRPC_VERBOSITY="NONE",
    )
