"""Every garment shown to another model, beside the one that serves."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from service.catalog import Left, Reembedding, Row, as_float16, flaw, unfit_rows
from service.errors import FashionStudioError
from service.images import Images
from service.model import Model

BATCH = 128  # photos to a commit
SECONDS = 5.0  # of photos to a commit, where their rate is bounded


def embed_beside(
    beside: Reembedding,
    model: Model,
    images: Images,
    *,
    rate: float | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Embed what the model has not seen as it is now, until nothing is left; returns how many.

    rate: photos a second at most. progress: called after every batch with photos done and in all; what
    it raises ends the run, which goes on there when called again. A photo that cannot be read is noted
    with its reason. Raises what a storage that is away raises.
    """
    total, done = beside.count_left(), 0
    rows = BATCH if rate is None else max(1, min(BATCH, round(rate * SECONDS)))
    began = time.monotonic()
    progress(done, total)
    with ThreadPoolExecutor(model.encoder.requests + 1, "embed") as pool:
        after = 0
        while batch := beside.left(after=after, rows=rows):
            seen = list(pool.map(lambda garment: _show(garment, model, images), batch))
            beside.write(
                [row for row in seen if isinstance(row, Row)],
                [
                    (garment, reason)
                    for garment, reason in zip(batch, seen, strict=True)
                    if isinstance(reason, str)
                ],
            )
            done, after = done + len(batch), batch[-1].id
            progress(done, max(done, total))
            if rate is not None:
                time.sleep(max(0.0, began + done / rate - time.monotonic()))
    return done


def _show(garment: Left, model: Model, images: Images) -> Row | str:
    """What the model says of a garment, or why its photo cannot be shown to it."""
    try:
        data = images.read(garment.image_path)
        digest = hashlib.sha256(data).hexdigest()
        if garment.content_sha256 not in (None, digest):
            return "The file is another one than was taken in. Ingest it again."
        prediction = model.predict(model.decode(data))
    except FashionStudioError as error:
        if error.is_ours:
            raise
        return error.detail
    if unfit_rows(as_float16(prediction.embedding[None]))[0]:
        return f"The embedding {flaw(prediction.embedding)}."
    given = garment.label if garment.label_source == "given" else None
    label = given or prediction.label
    return Row(
        image_path=garment.image_path,
        label=label,
        label_source=garment.label_source,
        confidence=prediction.confidence_of(label),
        predicted_label=prediction.label,
        embedding=prediction.embedding,
        content_sha256=digest,
    )
