"""A new model without downtime: every garment embedded beside, both models compared, then the swap."""

from service.switch.compare import Comparison
from service.switch.run import Options, Progress, work_on
from service.switch.targets import drop_model, model_of, prepare

__all__ = ["Comparison", "Options", "Progress", "prepare", "model_of", "drop_model", "work_on"]
