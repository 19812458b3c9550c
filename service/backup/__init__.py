"""A catalog into one file and back, with a manifest of what it is and where its pictures lie."""

from service.backup.pictures import Advance
from service.backup.whole import Report, back_up, move, restore

__all__ = ["Advance", "Report", "back_up", "move", "restore"]
