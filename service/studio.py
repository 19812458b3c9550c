"""The parts put together: settings, database, model and pictures, opened once a process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sqlalchemy import Engine

from service.catalog import attach, check_server, migrate, open_database, require_head
from service.decode import Limits, decode, fit
from service.domain import Image, Prediction
from service.encoder import Card, Encoder, bundle_folder, load_encoder, read_card
from service.images import ImageRoot
from service.settings import Settings
from service.stages import stage


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
        self.limits = Limits(settings.max_image_bytes, settings.max_image_pixels)
        self.images = ImageRoot(settings.image_root)
        self.card: Card = read_card(bundle_folder(settings))
        self.engine: Engine = open_database(
            settings, pool_size=threads + 1, statement_seconds=statement_seconds
        )
        try:
            if settings.database_url is None:
                migrate(self.engine)
            require_head(self.engine)
            self.warnings: list[str] = check_server(self.engine)
            self.model_id: int = attach(
                self.engine,
                name=self.card.name,
                version=self.card.version,
                content_sha256=self.card.content_sha256,
                labels=self.card.labels,
                input_size=self.card.input_size,
                feature_size=self.card.feature_size,
            )
        except BaseException:
            self.engine.dispose()
            raise
        self._encoder: Encoder | None = None
        self._loading = threading.Lock()

    @property
    def encoder(self) -> Encoder:
        """The network, loaded and warmed up by the first caller; others wait for it."""
        with self._loading:
            if self._encoder is None:
                self._encoder = load_encoder(self.settings)
            return self._encoder

    def decode(self, data: bytes) -> Image:
        """Decode as large as the network needs. Raises as `service.decode.decode`."""
        with stage("decode"):
            return decode(data, self.limits, side=self.card.input_size)

    def predict(self, image: Image) -> Prediction:
        with stage("model"):
            return self.encoder.predict(fit(image.pixels, self.card.input_size))

    def close(self) -> None:
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


@contextmanager
def open_catalog(settings: Settings) -> Iterator[Engine]:
    """The configured database at the newest schema, for what needs no model. Raises as `Studio`."""
    engine = open_database(settings)
    try:
        if settings.database_url is None:
            migrate(engine)
        require_head(engine)
        yield engine
    finally:
        engine.dispose()
