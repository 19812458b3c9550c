"""Parameters in paths: how they are described, and what becomes of one that cannot be an id."""

from __future__ import annotations

from typing import Any

from service.catalog import REPORTS, STORED
from service.errors import FeedbackNotFound, GarmentNotFound, ImportNotFound

BIGINT_DIGITS = 18  # every number of so many digits fits Postgres's bigint

# Path parameters are strings to the routes: one that cannot be an id is just not found
PATH: dict[str, dict[str, Any]] = {
    "garment_id": {
        "description": "a garment's id",
        "schema": {"type": "integer", "minimum": 1, "maximum": 10**BIGINT_DIGITS - 1},
        "example": 17,
    },
    "feedback_id": {
        "description": "a feedback's id",
        "schema": {"type": "integer", "minimum": 1, "maximum": 10**BIGINT_DIGITS - 1},
        "example": 3,
    },
    "import_id": {
        "description": "an import's id",
        "schema": {"type": "integer", "minimum": 1, "maximum": 10**BIGINT_DIGITS - 1},
        "example": 3,
    },
    "report": {
        "description": "a report's name",
        "schema": {"type": "string", "enum": list(REPORTS)},
        "example": "categories",
    },
    "stored_report": {
        "description": "a stored report's name",
        "schema": {"type": "string", "enum": list(STORED)},
        "example": "duplicates",
    },
    "set_id": {
        "description": "a set's id",
        "schema": {"type": "string", "format": "uuid"},
        "example": "6f1f6a3e-5b0c-4d61-9f0c-0a8a6f3d2b11",
    },
}


def parse_garment_id(text: str) -> int:
    """The id in a path. Raises `GarmentNotFound` for what cannot be one."""
    if _is_bigint(text):
        return int(text)
    raise GarmentNotFound(f"There is no garment {text}.")


def parse_import_id(text: str) -> int:
    """The id in a path. Raises `ImportNotFound` for what cannot be one."""
    if _is_bigint(text):
        return int(text)
    raise ImportNotFound(f"There is no import {text}.")


def parse_feedback_id(text: str) -> int:
    """The id in a path. Raises `FeedbackNotFound` for what cannot be one."""
    if _is_bigint(text):
        return int(text)
    raise FeedbackNotFound(f"There is no feedback {text}.")


def _is_bigint(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= BIGINT_DIGITS
