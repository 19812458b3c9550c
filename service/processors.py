"""How many processors this process may use."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

GROUP = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")


def processors() -> int:
    """By its affinity and by its control group (`--cpus` of docker, `CPUQuota` of systemd, a limit of
    Kubernetes; cgroup v2), a part of one as a whole."""
    return min([available(), *_quotas()])


def available() -> int:
    """By its affinity alone, where the system says it: macOS does not."""
    allowed = getattr(os, "sched_getaffinity", None)
    return os.cpu_count() or 1 if allowed is None else len(allowed(0))


def _quotas() -> Iterator[int]:
    """Of the process's group and of those that hold it."""
    try:
        lines = GROUP.read_text().splitlines()
    except OSError:  # not Linux
        return
    for group in (line.removeprefix("0::/") for line in lines if line.startswith("0::/")):
        folder = GROUPS / group
        for place in (folder, *folder.parents[: len(folder.parts) - len(GROUPS.parts)]):
            try:
                quota, period = (place / "cpu.max").read_text().split()
            except (OSError, ValueError):  # the root has none
                continue
            if quota != "max":
                yield max(1, math.ceil(int(quota) / int(period)))
