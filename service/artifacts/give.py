"""The catalog as the seed project's files."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from service.artifacts.npz import FeatureWriter
from service.catalog import all_embeddings, count_by_label
from service.domain import LabelCount
from service.drafts import drafts
from service.errors import CatalogEmpty
from service.labels import number_or_name
from service.sources import IMAGE, LABEL
from service.studio import Studio


def export_features(
    studio: Studio,
    csv_file: Path,
    npz: Path,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write every garment by id: image_path and label to a CSV, embedding to an `.npz`.

    A label is written by its number, as the seed project did, or by its name, see `number_or_name`.

    The embeddings are the stored float16, written as the seed project's float32. Both files are
    written whole or not at all. Returns the number of garments.
    Raises `CatalogEmpty`, `InvalidParameter` where a file cannot be written.
    """
    own = studio.model.card.labels
    written = {label: number_or_name(label, own) for label in studio.model.labels}
    with (
        drafts(csv_file, npz) as (csv_draft, npz_draft),
        all_embeddings(studio.engine) as (count, chunks),
    ):
        if not count:
            raise CatalogEmpty()
        with (
            csv_draft.open("w", newline="", encoding="utf-8") as table,
            FeatureWriter(npz_draft, count) as features,
        ):
            writer = csv.writer(table)  # CRLF: then a lone CR in a name is quoted too
            writer.writerow((IMAGE, LABEL))
            done = 0
            for paths, labels, embeddings in chunks:
                names = (written[label] for label in labels)
                writer.writerows(zip(paths, names, strict=True))
                features.write(embeddings)
                done += len(paths)
                progress(done, count)
    return count


def labels_of_others(studio: Studio) -> list[LabelCount]:
    """Labels that were given, and that the bundle lacks: a catalog where nobody gave them knows them not, and
    takes no row with one, or takes it for the label of that number or nearly that name."""
    own = studio.model.card.labels
    return [
        found for found in count_by_label(studio.engine) if found.count and found.label not in own
    ]
