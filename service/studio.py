"""The parts put together: settings, database, model and pictures, opened once a process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import TimeoutError as PoolExhausted

from service.catalog import (
    Replicas,
    attach,
    borne_labels,
    check_server,
    close_generations,
    known_models,
    migrate,
    open_database,
    require_head,
    serving_id,
    serving_model,
    usable,
)
from service.decode import Limits
from service.domain import Image, Prediction
from service.encoder import Card, Encoder, bundle_folder, find_bundle, keep_shipped, read_card
from service.errors import (
    BundleInvalid,
    BundleMismatch,
    DatabaseUnavailable,
    FashionStudioError,
    ModelMoved,
    TimeLimit,
)
from service.images import open_images
from service.model import Model
from service.settings import Settings

FOLLOW_SECONDS = 1.0  # between two looks at which model serves
RETRY_SECONDS = 10.0  # after a model could not be loaded

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


class Studio:
    """One process's way from bytes to answers.

    The database is opened and checked at once, the network when it is first needed: a query by a
    garment's id runs none. The embedded database is brought to the newest schema by itself; another
    one is never changed without `fashion-studio migrate`.

    threads: how many use it at once; each may hold a connection. statement_seconds: how long a
    statement may take; None: as the server has it.
    """

    def __init__(
        self, settings: Settings, *, threads: int = 4, statement_seconds: float | None = None
    ) -> None:
        self.settings = settings
        self.limits = Limits.of(settings)
        self.images = open_images(settings.image_root)
        wanted = read_card(bundle_folder(settings))
        self.engine: Engine = open_database(
            settings, pool_size=threads + 1, statement_seconds=statement_seconds
        )
        try:
            if settings.database_url is None:
                migrate(self.engine)
            require_head(self.engine)
            self.warnings: list[str] = check_server(self.engine)
            with usable():
                self._model = self._attached(wanted)
            self.replicas = Replicas(
                self.engine,
                settings.replica_url,
                lag_seconds=settings.replica_lag_seconds,
                pool_size=threads + 1,
                statement_seconds=statement_seconds,
            )
        except BaseException:
            self.engine.dispose()
            raise
        self.trouble: str | None = None
        """Why the model that serves the catalog by now is not the one that answers here."""
        self._following, self._looking = threading.Lock(), threading.Lock()
        self._look_again = time.monotonic() + FOLLOW_SECONDS

    @property
    def model(self) -> Model:
        """The model that answers. Keep it from decoding a photo to the answer: the next look may give
        another one, as soon as that serves the catalog and is loaded."""
        if time.monotonic() >= self._look_again and self._looking.acquire(blocking=False):
            self._look_again = time.monotonic() + FOLLOW_SECONDS
            threading.Thread(target=self._look, name="follow", daemon=True).start()
        return self._model

    @property
    def card(self) -> Card:
        return self.model.card

    @property
    def model_id(self) -> int:
        return self.model.id

    @property
    def encoder(self) -> Encoder:
        return self.model.encoder

    @property
    def engines(self) -> list[Engine]:
        """The primary's and its replicas'."""
        return [self.engine, *(replica.engine for replica in self.replicas.all)]

    def read(self, ask: Callable[[Engine], Answer]) -> Answer:
        """What `ask` says of a replica that answers, or else of the primary; see `Replicas.read`."""
        return self.replicas.read(ask)

    def decode(self, data: bytes) -> Image:
        return self.model.decode(data)

    def predict(self, image: Image) -> Prediction:
        return self.model.predict(image)

    def follow(self) -> Model:
        """Load the model that serves the catalog now, unless it is the one that answers; returns it.

        Raises `BundleMismatch`, `BundleInvalid`.
        """
        with self._following:
            serving = serving_model(self.engine)
            if serving is not None and serving.id != self._model.id:
                folder = find_bundle(
                    self.settings, serving.title, serving.content_sha256, serving.folder
                )
                model = self._made(serving.id, folder, read_card(folder))
                if self._model.loaded:
                    _ = model.encoder
                log.warning(
                    "%s answers from now on, no longer %s.", serving.title, self._model.card.title
                )
                self._model, self.trouble = model, None
                for engine in self.engines:  # nobody asks the former model's garments from here
                    close_generations(engine)
            return self._model

    def successor(self, model: Model) -> Model:
        """The model to go on with where `model` no longer serves. Raises `ModelMoved` for none."""
        try:
            found = self.follow()
        except (BundleMismatch, BundleInvalid) as error:
            log.error("%s", error.detail)
            raise ModelMoved(
                "Another model serves the catalog by now, and this process cannot load it. Its log, and "
                "`fashion-studio doctor`, say why."
            ) from None
        if found is model:
            raise ModelMoved()
        return found

    def close(self) -> None:
        self.replicas.close()
        close_generations(self.engine)
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _look(self) -> None:
        """In a thread of its own: nobody waits for a database that does not answer, nor for a network."""
        try:
            if serving_id(self.engine) not in (self._model.id, None):
                self.follow()
        except (DatabaseUnavailable, TimeLimit, PoolExhausted):
            pass  # whoever asks the database next hears of it
        except FashionStudioError as error:
            self._look_again = time.monotonic() + RETRY_SECONDS
            if self.trouble != error.detail:
                log.error("%s", error.detail)
            self.trouble = error.detail
        finally:
            self._looking.release()

    def _attached(self, wanted: Card) -> Model:
        """The bundle of the settings, or the one that the catalog has.

        A bundle that is set by name, and that the catalog has never met, is refused: whoever set it
        means it. Raises `BundleMismatch`.
        """
        try:
            attach(
                self.engine, **wanted.identity, folder=str(bundle_folder(self.settings).absolute())
            )
            serving = serving_model(self.engine)
        except BundleMismatch:
            known = known_models(self.engine)
            met = any(model.content_sha256 == wanted.content_sha256 for model in known)
            serving = next((model for model in known if model.serving), None)
            if serving is None or (self.settings.model is not None and not met):
                raise
            if self.settings.model is not None:
                self.warnings.append(
                    f"FASHION_STUDIO_MODEL names {wanted.title}; the catalog's model is {serving.title}, "
                    "which answers."
                )
        assert serving is not None
        # Of that very content several may lie here, calibrated each in its own way
        folder = find_bundle(self.settings, serving.title, serving.content_sha256, serving.folder)
        card = wanted if folder == bundle_folder(self.settings) else read_card(folder)
        keep_shipped(self.settings, folder, card)
        return self._made(serving.id, folder, card)

    def _made(self, model_id: int, folder: Path, card: Card) -> Model:
        own = card.labels
        others = tuple(label for label in borne_labels(self.engine) if label not in own)
        return Model(self.settings, model_id, folder, card, own + others)


@contextmanager
def open_catalog(settings: Settings) -> Iterator[Engine]:
    """The configured database at the newest schema, for what needs no model.

    Raises as `Studio`, and `DatabaseUnfit` where the user may not do what is done with it.
    """
    engine = open_database(settings)
    try:
        if settings.database_url is None:
            migrate(engine)
        require_head(engine)
        with usable():
            yield engine
    finally:
        engine.dispose()
