"""Photos into the catalog: decoded and embedded side by side, written in batches, each one commit."""

from service.intake.flow import take_in
from service.intake.local import outcomes
from service.intake.photo import BATCH, Items, Labels, Options
from service.intake.work import Engine

__all__ = ["BATCH", "Engine", "Items", "Labels", "Options", "outcomes", "take_in"]
