"""The record of analyses: when the neighbours of every garment were last searched, and how far that
is where it is under way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

SILENCE = 60.0
"""Seconds without a beat after which the process of an analysis is taken for dead."""

LAST = text("""
    SELECT started_at, finished_at,
           model_id IS DISTINCT FROM (SELECT id FROM model WHERE serving) AS other_model
    FROM analysis WHERE finished_at IS NOT NULL
    ORDER BY finished_at DESC LIMIT 1
""")

UNDER_WAY = text("""
    SELECT done, total FROM analysis
    WHERE finished_at IS NULL AND heartbeat_at > now() - make_interval(secs => :silence)
    ORDER BY id DESC LIMIT 1
""")

# Garments that came after it are in no neighbourhood; those that went took theirs along
CHANGED = text("""
    SELECT count(*) FROM garment LEFT JOIN neighbourhood ON garment_id = id
    WHERE garment_id IS NULL OR updated_at > :started_at
""")
REMOVED = text("""
    SELECT total - (SELECT count(*) FROM neighbourhood) FROM analysis
    WHERE finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Standing:
    """How the stored reports stand.

    made_at: when they were made; None: never. complaint: why they are not to be trusted, if so.
    progress: (done, total) garments of an analysis under way.
    """

    made_at: datetime | None
    complaint: str | None
    progress: tuple[int, int] | None


def standing(connection: Connection) -> Standing:
    """How the stored reports stand."""
    running = connection.execute(UNDER_WAY, {"silence": SILENCE}).one_or_none()
    progress = None if running is None else (running.done, running.total)
    last = connection.execute(LAST).one_or_none()
    if last is None:
        return Standing(None, "The neighbours of the garments were never searched.", progress)
    complaint = None
    if last.other_model:
        complaint = "It was made with another model than the one that serves."
    else:
        changed = connection.scalar(CHANGED, {"started_at": last.started_at}) or 0
        removed = connection.scalar(REMOVED) or 0
        said = [f"{changed} came or changed"] * (changed > 0) + [f"{removed} went"] * (removed > 0)
        if said:
            complaint = f"Of the garments {' and '.join(said)} since it was made."
    return Standing(last.finished_at, complaint, progress)
