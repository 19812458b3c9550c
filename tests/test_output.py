"""What commands show people: tables, a comparison of models, progress in a log."""

from __future__ import annotations

import pytest

from service.cli import output
from service.cli.comparison import print_comparison


def test_a_table_shows_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    paths = ("wear[old]/a.jpg", "wear[/new]/a.jpg", "x:smile:.jpg", "[bold]")
    output.print_table(("[/path]",), [(path,) for path in paths])
    assert capsys.readouterr().out.splitlines() == ["[/path]", *paths]


def test_a_comparison_is_told_in_whatever_order_it_was_stored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = {
        "accuracy": {"old": None, "new": None, "difference": None},
        "neighbours": {
            "overlap_at_10": None,
            "same_label_at_10": {"new": 0.25, "old": 0.75},
            "difference": None,
            "search_ms_p50": {"new": 2.5, "old": 7.5},
        },
        "photo_ms_p50": {"new": 20.5, "old": 70.5},
        "label_agreement": None,
        "garments": 3,
        "regressions": [],
    }
    print_comparison(report)
    lines = [line.split()[-3:] for line in capsys.readouterr().out.splitlines()]
    assert ["0.75", "0.25", "–"] in lines
    assert [line[1:] for line in lines if "." in line[-1]] == [["70.5", "20.5"], ["7.5", "2.5"]]


def test_progress_in_a_log_tells_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0, 20, 40, 60, 80, 100, 120])
    monkeypatch.setattr(output.time, "monotonic", lambda: next(clock))
    with output.progress_bar("import") as advance:
        advance(100, 400, "5 rows/s")
        advance(400, 400)
        advance(10, 30, "Tee")  # the next thing is counted anew
        advance(20, 30, "Tee")
        advance(1000, 1200, "epoch 11")  # a run goes on
        advance(1100, 1200, "epoch 12")
    assert capsys.readouterr().err.splitlines() == [
        "import: 100 of 400, 60 s left 5 rows/s",
        "import: 400 of 400",
        "import: 10 of 30 Tee",
        "import: 20 of 30, 20 s left Tee",
        "import: 1000 of 1200 epoch 11",
        "import: 1100 of 1200, 20 s left epoch 12",
    ]
