"""Photos decoded and embedded by a Ray cluster: Ray Data reads the source and streams it through actors.

The order stays the source's, and rows are written by the process that began the import, so that ledger,
batches and resuming are those of one machine. An actor whose process or machine dies is started again,
and what it had under way is done again. Every machine needs this package, the bundle, and the photos
under the same path or URL. Needs the extra `ray`: import it only where it is asked for.
"""

from __future__ import annotations

import itertools
import logging
import os
import pickle
import re
import socket
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow
import ray
import ray.data
import ray.exceptions
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from service.catalog import Filed, Loader, open_database
from service.encoder import find_bundle
from service.errors import BundleMismatch, ClusterFailed, FashionStudioError, InvalidParameter
from service.images import open_images
from service.intake.photo import Items, Options, Outcome, Photo, outcome_of, photos_of
from service.intake.work import Engine, Work
from service.model import Model
from service.settings import Settings
from service.storage import is_remote
from service.stores import FETCHERS

CHUNK = 32  # photos to a task: a second or less of one core, done again where an actor dies
DATA = "pickled"  # the one column: a list of photos, or of what became of them, or an error
FIRST_MET = re.compile(r"^[\w.]*(?:Error|Exception): .*", re.MULTILINE)
HOST_AND_PORT = re.compile(r"(ray://)?(?P<host>.+):(?P<port>\d+)")
ANSWERS = 10  # seconds in which a cluster that is there answers
READER_CPUS = 0  # another amount than an actor's, or else Ray does both in one process


def on_ray(workers: int | None = None) -> Engine:
    """An engine of actors with a core each; None: as many as the cluster has cores, or GPUs where
    TensorFlow runs the network and there are any, of which each actor has one.

    The cluster is that of RAY_ADDRESS, or one of this machine's own until the import ends.
    Raises `InvalidParameter`; the engine raises `ClusterFailed`.
    """
    if workers is not None and workers < 1:
        raise InvalidParameter(f"--workers is {workers}; it must be at least 1.")
    return lambda work: _outcomes(work, workers)


def _outcomes(work: Work, workers: int | None) -> Iterator[Outcome]:
    settings, model = work.studio.settings, work.model
    source = _Photos(settings, model.id, work.source, work.skip, work.options)
    with _joined():
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = context.print_on_execution_start = False
        context.target_max_block_size = 1  # byte: each chunk goes its own way, once it is read
        read = ray.data.read_datasource(source, override_num_blocks=1, num_cpus=READER_CPUS)
        there = ray.cluster_resources()
        on_gpu = settings.runtime == "tensorflow" and there.get("GPU", 0) >= 1
        embedded = read.map(
            _Embedder,
            fn_constructor_args=(settings, model, work.options, work.gone.digests),
            concurrency=workers or max(1, int(there.get("GPU" if on_gpu else "CPU", 1))),
            num_cpus=1,
            num_gpus=1 if on_gpu else 0,
        )
        for row in _asked(embedded):
            for done in _opened(row):
                if isinstance(done, Photo):
                    yield outcome_of(done, model, work.options, work.gone.claim)
                else:
                    yield done


def _asked(embedded: ray.data.Dataset) -> Iterator[dict[str, Any]]:
    try:
        yield from embedded.iter_rows()
    except ray.exceptions.RayError as error:
        # No cause comes along, but its text
        met = FIRST_MET.search(str(error)) or re.search(".+", str(error)) or [type(error).__name__]
        raise ClusterFailed(
            f"The Ray cluster gave up: {met[0].rstrip('.')}. Start again, to go on behind the last batch."
        ) from error


@contextmanager
def _joined() -> Iterator[None]:
    """Part of the cluster. What Ray prints goes to stderr: stdout is for the answer."""
    begun = not ray.is_initialized()
    with redirect_stdout(sys.stderr):
        if begun:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray tells its makers by default
            os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its own files have the rest
            _join()
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what ends it is raised
        try:
            yield
        finally:
            if begun:
                ray.shutdown()


def _join() -> None:
    """Raises `ClusterFailed`. Ray itself asks for many minutes where no one answers."""
    address = os.environ.get("RAY_ADDRESS", "")
    try:
        if found := HOST_AND_PORT.fullmatch(address):
            socket.create_connection((found["host"], int(found["port"])), timeout=ANSWERS).close()
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, ValueError, RuntimeError) as error:
        of = f" of RAY_ADDRESS={address}" if address else ""
        raise ClusterFailed(
            f"The Ray cluster{of} cannot be joined: {error}. Start it, or unset RAY_ADDRESS to use "
            "this machine alone."
        ) from error


@dataclass(frozen=True)
class _Photos(Datasource):
    """The photos behind the first `skip`, chunk by chunk, with what the ledger knows of them.

    Read by one task, since a source is a list; one that dies reads it again.
    """

    settings: Settings
    model_id: int
    source: Items
    skip: int
    options: Options

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        return [ReadTask(self._blocks, BlockMetadata(None, None, None))]

    def _blocks(self) -> Iterable[pyarrow.Table]:
        try:
            engine = open_database(self.settings, pool_size=1)
            try:
                loader = Loader(engine, self.model_id)
                images = open_images(self.settings.image_root)
                rest = itertools.islice(self.source(), self.skip, None)
                photos = photos_of(rest, images, loader, self.options.batch_size)
                while chunk := list(itertools.islice(photos, CHUNK)):
                    yield pyarrow.table({DATA: [pickle.dumps(chunk)]})
            finally:
                engine.dispose()  # Ray keeps the process for other work
        except FashionStudioError as error:
            yield pyarrow.table({DATA: [pickle.dumps(error)]})


class _Embedder:
    """An actor: chunks of photos to what becomes of them, on one core.

    gone: the digests of garments without a photo. One of these may be a garment that was moved, which
    only the process that began the import can tell: such a photo goes back as it came.
    """

    def __init__(
        self, settings: Settings, model: Model, options: Options, gone: frozenset[str]
    ) -> None:
        self._settings, self._there = settings, model
        self._options, self._gone = options, gone

    @cached_property
    def _model(self) -> Model:
        """The model, its bundle found on this machine. Raises `ClusterFailed`."""
        there, card = self._there, self._there.card
        try:
            folder = find_bundle(self._settings, card.title, card.content_sha256, str(there.folder))
        except BundleMismatch as error:
            raise ClusterFailed(f"{socket.gethostname()}: {error.detail}") from None
        return Model(self._settings, there.id, folder, card, there.labels, threads=1)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            photos = _opened(row)
            _ = self._model.encoder
            remote = any(is_remote(photo.item.file) for photo in photos)
            with ThreadPoolExecutor(FETCHERS if remote else 2) as pool:
                return {DATA: pickle.dumps(list(pool.map(self._outcome, photos)))}
        except FashionStudioError as error:
            return {DATA: pickle.dumps(error)}

    def _outcome(self, photo: Photo) -> Outcome | Photo:
        try:
            return outcome_of(photo, self._model, self._options, self._claim)
        except _Unsettled:
            return photo

    def _claim(self, sha256: str, image_path: str) -> Filed | None:
        if sha256 in self._gone:
            raise _Unsettled
        return None


class _Unsettled(Exception):
    """Whether the photo is a garment that was moved cannot be told here."""


def _opened(row: dict[str, Any]) -> list[Any]:
    """A chunk that a task of this run wrote. Raises the error that it met instead."""
    found: list[Any] | FashionStudioError = pickle.loads(row[DATA])
    if isinstance(found, FashionStudioError):
        raise found
    return found
