"""How many processors a process may use: of the machine's, of its affinity, of its container."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service import processors as module
from service.processors import available, processors


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this process's control group, below another, on a machine of 64 processors."""
    (tmp_path / "own").write_text("1:cpuset:/\n0::/shop/web\n")
    monkeypatch.setattr(module, "GROUP", tmp_path / "own")
    monkeypatch.setattr(module, "GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    folder = tmp_path / "cgroup" / "shop" / "web"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("own", "above", "count"),
    [
        ("200000 100000", None, 2),  # docker's --cpus 2
        ("150000 100000", None, 2),
        ("50000 100000", None, 1),
        ("max 100000", None, 64),
        ("max 100000", "300000 100000", 3),
        ("800000 100000", "300000 100000", 3),
        ("9000000 100000", None, 64),
        (None, None, 64),
    ],
)
def test_a_quota_is_kept(group: Path, own: str | None, above: str | None, count: int) -> None:
    for folder, text in ((group, own), (group.parent, above)):
        if text is not None:
            (folder / "cpu.max").write_text(f"{text}\n")
    assert processors() == count
    assert available() == 64


def test_a_containers_own_group_lies_at_the_root(group: Path) -> None:
    """Where the path is the host's and the mount the container's, as with `--cgroupns host`."""
    (group.parent.parent / "cpu.max").write_text("200000 100000\n")
    group.rmdir()
    assert processors() == 2


@pytest.mark.parametrize(("quota", "count"), [("-1", 64), ("250000", 3)])
def test_so_are_groups_of_the_first_version(
    group: Path, tmp_path: Path, quota: str, count: int
) -> None:
    (tmp_path / "own").write_text("3:memory:/shop\n2:cpu,cpuacct:/shop\n0::/\n")
    folder = tmp_path / "cgroup" / "cpu" / "shop"
    folder.mkdir(parents=True)
    (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu.cfs_period_us").write_text("100000\n")
    assert processors() == count


def test_affinity_bounds_it_too(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5})
    assert processors() == 1


def test_without_control_groups_it_is_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS."""
    monkeypatch.setattr(module, "GROUP", tmp_path / "none")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 10)
    assert processors() == 10
