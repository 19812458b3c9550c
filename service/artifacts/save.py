"""Photos to the seed project's files: each photo's label, each photo's features."""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

from service.artifacts.npz import FeatureWriter
from service.catalog import is_storable
from service.decode import Limits, decode, fit, read
from service.domain import Prediction
from service.drafts import drafts
from service.encoder import load_encoder
from service.errors import FashionStudioError, SourceInvalid, StorageUnavailable
from service.labels import number_or_name
from service.settings import load_settings
from service.sources import IMAGE, LABEL, Item, read_source
from service.storage import Location, locate

WINDOW = 64  # photos under way at once
PIECE = 1 << 20  # bytes of embeddings read at once


def save_all_labels(
    database_path: str | Path | Location, model_path: str | Path | None, save_path: str | Path
) -> Path:
    """Label every photo of a source and write the seed project's CSV, whole or not at all.

    Columns: image_name; category_label, the 0-based place in the model's label order, or the name where
    that is a number. database_path: a source as `ingest` takes it, also a URL. model_path: a bundle's
    folder; None for that of FASHION_STUDIO_MODEL, or the one that ships. Photos that cannot be read, or
    whose name no catalog holds, are left out. Returns the file written.
    Raises `SourceInvalid`, also where none can be read, `StorageUnavailable`, and what `drafts` raises.
    """
    rows = 0
    with drafts(Path(save_path)) as (draft,), draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)  # CRLF: then a lone CR in a name is quoted too
        writer.writerow((IMAGE, LABEL))
        for item, prediction, labels in _predictions(database_path, model_path):
            writer.writerow((item.name, number_or_name(prediction.label, labels)))
            rows += 1
        _require_some(rows, database_path)
    return Path(save_path)


def save_all_features(
    database_path: str | Path | Location, model_path: str | Path | None, save_path: str | Path
) -> Path:
    """Embed every photo of a source and write the seed project's `.npz`, whole or not at all.

    It holds one array, `features`: (n, 2048) float32, in the order of `save_all_labels`'s rows. Beside
    it lie 8 kB a photo until it is whole.
    """
    path, rows = Path(save_path), 0
    # The array begins with the number of its rows, which is known when all photos were looked at
    with drafts(path) as (draft,), TemporaryFile(dir=path.parent) as embeddings:
        for _, prediction, _ in _predictions(database_path, model_path):
            embeddings.write(prediction.embedding.astype("<f4").tobytes())
            rows += 1
        _require_some(rows, database_path)
        embeddings.seek(0)
        with FeatureWriter(draft, rows) as writer:
            while piece := embeddings.read(PIECE):
                writer.write(np.frombuffer(piece, "<f4"))
    return path


def _require_some(photos: int, source: str | Path | Location) -> None:
    if not photos:
        raise SourceInvalid(f"{source} has no photo that can be read.")


def _predictions(
    source: str | Path | Location, model_path: str | Path | None
) -> Iterator[tuple[Item, Prediction, tuple[str, ...]]]:
    """Every readable photo in the source's order, with the model's labels in theirs."""
    settings = load_settings()
    if model_path is not None:
        settings = settings.model_copy(update={"model": Path(model_path)})
    encoder = load_encoder(settings)
    labels, side = encoder.card.labels, encoder.card.input_size
    limits = Limits.of(settings)

    def predict(item: Item) -> Prediction | None:
        try:
            image = decode(read(item.file, limits), limits, side=side)
        except StorageUnavailable:
            raise
        except FashionStudioError:
            return None
        return encoder.predict(fit(image.pixels, side))

    place = locate(source) if isinstance(source, str | Path) else source
    items = (item for item in read_source(place, labels=labels) if is_storable(item.name))
    with ThreadPoolExecutor(encoder.requests + 1) as pool:
        for item, prediction in _in_order(pool, predict, items):
            if prediction is not None:
                yield item, prediction, labels


def _in_order(
    pool: Executor, predict: Callable[[Item], Prediction | None], items: Iterator[Item]
) -> Iterator[tuple[Item, Prediction | None]]:
    """Each item with what is predicted of it. Memory holds a window of those under way."""
    under_way: deque[tuple[Item, Future[Prediction | None]]] = deque()
    for item in items:
        under_way.append((item, pool.submit(predict, item)))
        if len(under_way) > WINDOW:
            first, predicted = under_way.popleft()
            yield first, predicted.result()
    for rest, predicted in under_way:
        yield rest, predicted.result()
