"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

GROUP = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")


def processors() -> int:
    """By its affinity and by its control groups (`--cpus` of docker, a limit of Kubernetes, `CPUQuota` of
    systemd), a part of one as a whole."""
    return min([available(), *_quotas()])


def available() -> int:
    """By its affinity alone, where the system says it: macOS does not."""
    allowed = getattr(os, "sched_getaffinity", None)
    return os.cpu_count() or 1 if allowed is None else len(allowed(0))


def _quotas() -> Iterator[int]:
    """Of the process's group and of those that hold it. https://docs.kernel.org/admin-guide/cgroup-v2.html"""
    try:
        lines = GROUP.read_text().splitlines()
    except OSError:  # not Linux
        return
    for controllers, group in (line.split(":", 2)[1:] for line in lines):
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounted = GROUPS / "cpu" if controllers else GROUPS  # version 1, or 2
        place = mounted / group.lstrip("/")
        while place.is_relative_to(mounted):  # a container may see its own group at the root
            quota = _quota(place)
            if quota is not None:
                yield max(1, math.ceil(quota))
            place = place.parent


def _quota(place: Path) -> float | None:
    """In processors; None where there is no bound."""
    try:
        if (place / "cpu.max").exists():
            quota, period = (place / "cpu.max").read_text().split()
        else:
            quota, period = (
                (place / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
        return int(quota) / int(period) if int(quota) > 0 else None
    except (OSError, ValueError):  # no such group, or `max`
        return None
