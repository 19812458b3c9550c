"""Photos to a model bundle. Keras is imported only when a run starts."""

from service.training.fit import Plan
from service.training.run import train_bundle

__all__ = ["Plan", "train_bundle"]
