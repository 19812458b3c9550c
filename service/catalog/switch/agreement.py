"""What two models say of the same garments, counted in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, text

from service.catalog.database.patience import unhurried_session
from service.catalog.switch.reembed import Reembedding

# {new} is the other model's table. Given labels are the same in both.
BY_LABEL = """
    SELECT old.label,
           count(*) AS garments,
           count(*) FILTER (WHERE old.predicted_label = new.predicted_label) AS agree,
           count(*) FILTER (WHERE given) AS given,
           count(*) FILTER (WHERE given AND old_right) AS old_right,
           count(*) FILTER (WHERE given AND new_right) AS new_right,
           count(*) FILTER (WHERE given AND old_right AND NOT new_right) AS lost,
           count(*) FILTER (WHERE given AND new_right AND NOT old_right) AS won
    FROM garment AS old JOIN {new} AS new USING (id)
    CROSS JOIN LATERAL (
        SELECT old.label_source = 'given' AND old.label = ANY (CAST(:common AS text[])) AS given,
               old.predicted_label = old.label AS old_right,
               new.predicted_label = old.label AS new_right
    ) AS judged
    WHERE old.predicted_label IS NOT NULL AND new.predicted_label IS NOT NULL
    GROUP BY old.label ORDER BY old.label
"""

SAMPLE = """
    SELECT old.id, old.image_path,
           CASE WHEN old.label_source = 'given' THEN old.label END AS given_label
    FROM garment AS old JOIN {new} AS new USING (id)
    ORDER BY random() LIMIT :size
"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of the garments of one label: how many both models saw, and where they agree.

    given: those whose label is given and known to both models. old_right, new_right: of them, where
    the model says the given label. lost, won: where only the old, only the new one does.
    """

    label: str
    garments: int
    agree: int
    given: int
    old_right: int
    new_right: int
    lost: int
    won: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """A garment to compare answers by. given_label: None where its label was predicted."""

    id: int
    image_path: str
    given_label: str | None


def agreement(engine: Engine, beside: Reembedding, common: Sequence[str]) -> list[Agreement]:
    """Label by label. common: the labels that both models know."""
    with engine.connect() as connection:
        found = connection.execute(
            text(BY_LABEL.format(new=beside.table)), {"common": list(common)}
        )
        return [Agreement(**row._mapping) for row in found]


def sample_garments(engine: Engine, beside: Reembedding, size: int) -> list[Sampled]:
    """Garments by chance that both models have seen."""
    with engine.connect() as connection:
        found = connection.execute(text(SAMPLE.format(new=beside.table)), {"size": size})
        return [Sampled(**row._mapping) for row in found]


def tidy(engine: Engine) -> None:
    """Fresh statistics, and pages that index-only scans need not visit, after a load."""
    with unhurried_session(engine) as connection:
        connection.execute(text("VACUUM (ANALYZE) garment"))
