"""Reports on the catalog: the views `catalog_…` of the database, read with what they mean.

Most are asked of the catalog as it is. Those that need the neighbours of every garment show what the
last analysis stored (see `analysis`), and say where that is out of date.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

import psycopg
from sqlalchemy import CursorResult, Engine, text

from service.catalog.analysis.standing import Standing, standing
from service.catalog.database.engine import reading
from service.errors import ReportNotFound

# The view of a report, in the order in which its rows are shown: where a limit cuts, the first matter
QUERIES = {
    "categories": "SELECT * FROM catalog_categories ORDER BY position, label",
    "agreement": "SELECT * FROM catalog_agreement ORDER BY label, garments DESC, predicted_label",
    "confidence": "SELECT * FROM catalog_confidence ORDER BY label",
    "growth": "SELECT * FROM catalog_growth ORDER BY day DESC",
    "sets": "SELECT * FROM catalog_sets ORDER BY day DESC, rank, label",
    "duplicates": "SELECT * FROM catalog_duplicates ORDER BY garments DESC, group_id, garment_id",
    "mislabels": "SELECT * FROM catalog_mislabels ORDER BY suspicion DESC, similarity DESC, garment_id",
    "outliers": "SELECT * FROM catalog_outliers ORDER BY isolation DESC, garment_id",
    "models": "SELECT * FROM catalog_models ORDER BY serving DESC, garments DESC, model",
    "thresholds": "SELECT * FROM catalog_thresholds ORDER BY label, wanted_precision",
}
REPORTS = tuple(QUERIES)
STORED = ("duplicates", "mislabels", "outliers", "thresholds")
"""Those that show what the last analysis stored; of the duplicates, identical bytes are always seen."""

MEANINGS = text("""
    SELECT col_description(attrelid, attnum) FROM pg_attribute
    WHERE attrelid = to_regclass('catalog_' || :name) AND attnum > 0
    ORDER BY attnum
""")
TITLE = text("SELECT obj_description(to_regclass('catalog_' || :name))")


Kind = Literal["text", "integer", "number", "boolean", "date", "time"]
KINDS: dict[int, Kind] = {  # by Postgres's number of the type: SELECT oid, typname FROM pg_type
    16: "boolean", 20: "integer", 21: "integer", 23: "integer", 25: "text", 700: "number",
    701: "number", 1082: "date", 1184: "time",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a report, what its values are, and what they mean."""

    name: str
    kind: Kind
    meaning: str


@dataclass(frozen=True, slots=True)
class Report:
    """A report's rows, (columns) each.

    more: there are rows beyond these. standing: of the analysis that a stored report is from; None
    where the report is of the catalog as it is.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: list[tuple[Any, ...]]
    more: bool
    standing: Standing | None

    @property
    def made_at(self) -> datetime | None:
        """When a stored report was made; None where it never was, or is of the catalog as it is."""
        return None if self.standing is None else self.standing.made_at

    @property
    def note(self) -> str | None:
        """What there is to know, or to do, before the rows are trusted; None where that is nothing."""
        if self.standing is None or self.standing.complaint is None:
            return None
        return f"{self.standing.complaint} {self.remedy}"

    @property
    def remedy(self) -> str:
        return (
            f"`fashion-studio analytics {self.name} --refresh` or POST /api/v1/analytics/{self.name}/"
            "refresh makes it."
        )

    def as_dict(self) -> dict[str, Any]:
        """As the API shows it, rows as objects."""
        names = [column.name for column in self.columns]
        stands = None if self.standing is None else self.standing.as_dict()
        return {
            "report": self.name,
            "title": self.title,
            "columns": [
                {"name": c.name, "kind": c.kind, "meaning": c.meaning} for c in self.columns
            ],
            "rows": [dict(zip(names, map(plain, row), strict=True)) for row in self.rows],
            "more": self.more,
            "stored": stands is not None,
            "made_at": stands and stands["made_at"],
            "note": self.note,
            "progress": stands and stands["progress"],
            "queued": stands is not None and stands["queued"],
        }


def read_report(
    engine: Engine,
    name: str,
    *,
    limit: int | None = None,
    duplicate_similarity: float | None = None,
) -> Report:
    """A report by its name, one of `REPORTS`. limit: rows at most. duplicate_similarity: as it is set
    now, which a stored report is compared with. Raises `ReportNotFound`."""
    if name not in QUERIES:
        raise ReportNotFound(f"There is no report {name}. Choose among {', '.join(REPORTS)}.")
    most = None if limit is None else limit + 1
    with reading(engine) as connection:
        # First: of rows that are made anew meanwhile it says too little rather than too much
        stands = standing(connection, duplicate_similarity) if name in STORED else None
        meanings = list(connection.scalars(MEANINGS, {"name": name}))
        title = connection.scalar(TITLE, {"name": name})
        found = connection.execute(text(QUERIES[name] + " LIMIT :most"), {"most": most})
        columns = tuple(
            Column(described.name, KINDS[described.type_code], meaning)
            for described, meaning in zip(_described(found), meanings, strict=True)
        )
        rows = [tuple(row) for row in found]
    more = limit is not None and len(rows) > limit
    return Report(name, title, columns, rows[:limit], more, stands)


def _described(found: CursorResult) -> list[psycopg.Column]:
    cursor = found.cursor
    assert isinstance(cursor, psycopg.Cursor)
    return cursor.description or []


def plain(value: Any) -> Any:
    """A value as JSON has it: times as ISO 8601, numbers to six digits after the point."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    return round(value, 6) if isinstance(value, float) else value
