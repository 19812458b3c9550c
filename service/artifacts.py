"""The seed project's artifacts: a CSV of labels and an `.npz` of features, row by row of the same photos."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from service.decode import Limits, decode, fit, read
from service.domain import Prediction
from service.encoder import load_encoder
from service.errors import FashionStudioError, InvalidParameter, SourceInvalid
from service.settings import load_settings
from service.sources import IMAGE, LABEL, Item, read_source


def save_all_labels(
    database_path: str | Path, model_path: str | Path | None, save_path: str | Path
) -> Path:
    """Label every photo of a source and write the seed project's CSV, whole or not at all.

    Columns: image_name, category_label, the 0-based place in the model's label order.
    database_path: a source as `ingest` takes it. model_path: a bundle's folder, None for the one in
    use. Photos that cannot be read are left out. Returns the file written.
    """
    rows = [
        (item.name, labels.index(prediction.label))
        for item, prediction, labels in _predictions(Path(database_path), model_path)
    ]

    def write(draft: Path) -> None:
        with draft.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((IMAGE, LABEL))
            writer.writerows(rows)

    return _write_whole(Path(save_path), write)


def save_all_features(
    database_path: str | Path, model_path: str | Path | None, save_path: str | Path
) -> Path:
    """Embed every photo of a source and write the seed project's `.npz`, whole or not at all.

    It holds one array, `features`: (n, 2048) float32, in the order of `save_all_labels`'s rows.
    """
    features = [p.embedding for _, p, _ in _predictions(Path(database_path), model_path)]
    if not features:
        raise SourceInvalid(f"{database_path} has no photo that can be read.")

    def write(draft: Path) -> None:
        with draft.open("wb") as file:
            np.savez_compressed(file, features=np.stack(features))

    return _write_whole(Path(save_path), write)


def _predictions(
    source: Path, model_path: str | Path | None
) -> Iterator[tuple[Item, Prediction, tuple[str, ...]]]:
    """Every readable photo in the source's order, with the model's labels in theirs."""
    settings = load_settings()
    if model_path is not None:
        settings = settings.model_copy(update={"model": Path(model_path)})
    encoder = load_encoder(settings)
    labels, side = encoder.card.labels, encoder.card.input_size
    limits = Limits(settings.max_image_bytes, settings.max_image_pixels)

    def predict(item: Item) -> Prediction | None:
        try:
            image = decode(read(item.file, limits), limits, side=side)
        except FashionStudioError:
            return None
        return encoder.predict(fit(image.pixels, side))

    items = list(read_source(source, labels=labels))
    with ThreadPoolExecutor(encoder.requests + 1) as pool:
        for item, prediction in zip(items, pool.map(predict, items), strict=True):
            if prediction is not None:
                yield item, prediction, labels


def _write_whole(path: Path, write: Callable[[Path], None]) -> Path:
    draft = path.with_name(f".{path.name}.draft")
    try:
        write(draft)
        draft.replace(path)
    except OSError as error:
        raise InvalidParameter(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        draft.unlink(missing_ok=True)
    return path
