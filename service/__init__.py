"""Fashion Studio: garment photos labelled, embedded, and searched by similarity in Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service.artifacts import save_all_features, save_all_labels
    from service.notebook import Counter, Recommender, report

__all__ = ["Recommender", "Counter", "save_all_labels", "save_all_features", "report"]

_HOMES = {
    "Recommender": "service.notebook",
    "Counter": "service.notebook",
    "report": "service.notebook",
    "save_all_labels": "service.artifacts",
    "save_all_features": "service.artifacts",
}


def __getattr__(name: str) -> Any:
    """The calls are imported when first used, so that `import service` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
