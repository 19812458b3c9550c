"""Photos to a model bundle. Keras is imported only when a run starts."""

from service.training.backbones import NAMES as BACKBONES
from service.training.backbones import smallest_side
from service.training.plan import Plan
from service.training.run import train_bundle
from service.training.selection import Selection

__all__ = ["BACKBONES", "Plan", "Selection", "smallest_side", "train_bundle"]
