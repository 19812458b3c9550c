"""Photos into the catalog: decoded and embedded side by side, written in batches, each one commit."""

from service.intake.flow import take_in
from service.intake.photo import BATCH, Items, Labels, Options, printable

__all__ = ["BATCH", "Items", "Labels", "Options", "printable", "take_in"]
