"""What commands show people: tables, a comparison of models, progress, questions, how they end."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from service.cli import output
from service.cli.comparison import print_comparison
from tests.pictures import encoded, picture
from tests.test_cli import run


def test_a_table_shows_what_it_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    paths = ("wear[old]/a.jpg", "wear[/new]/a.jpg", "x:smile:.jpg", "[bold]")
    output.print_table(("[/path]",), [(path,) for path in paths])
    assert capsys.readouterr().out.splitlines() == ["[/path]", *paths]


def test_numbers_of_a_table_are_aligned_at_their_ends(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(("confidence", "id", "image"), [("97.7%", "3", "a.jpg")])
    assert capsys.readouterr().out.splitlines() == [
        "confidence  id  image",
        "     97.7%   3  a.jpg",
    ]


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


@pytest.mark.usefixtures("environment")
def test_on_a_terminal_it_asks_on_a_line_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it warns of stands above the progress bar."""
    monkeypatch.setenv("TERM", "xterm")
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(encoded(picture(60, 80, number)))
    assert run("ingest", tmp_path).returncode == 0
    (tmp_path / "1.png").unlink()
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "ingest", str(tmp_path), "--prune"],
        stdin=terminal, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    said = b""
    with os.fdopen(screen, "rb", 0) as shown, suppress(OSError):  # which its end is
        while part := shown.read(4096):
            said += part
            if said.endswith(b"[y/N]: "):
                os.write(screen, b"y\n")
    assert process.wait(60) == 0, said
    # What a line shows is what stands behind the last erasure, without the cursor's own codes
    shown_at_last = [re.split(r"\x1b\[2K", line)[-1] for line in said.decode().split("\n")]
    lines = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", line) for line in shown_at_last]
    assert f"gone: {tmp_path / '1.png'}" in lines
    assert f"Remove 1 of the 3 garments of {tmp_path}? [y/N]: y" in lines
    assert "pruned 1" in lines[-2]


def test_ctrl_c_is_one_line() -> None:
    code = (
        "import click, os, signal; from service import cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "end = lambda: os.kill(os.getpid(), signal.SIGINT)\n"
        "cli.Commands.get_command = lambda *_: click.Command('ends', callback=end)\n"
        "cli.main(['ends'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "fashion-studio: Stopped.\n")


def test_a_second_ctrl_c_while_it_ends_is_nothing() -> None:
    code = (
        "import atexit, signal, time; from service import cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "def end(): print('ends', flush=True); time.sleep(1); print('ended')\n"
        "def wait(*_, **__): print('begins', flush=True); time.sleep(30)\n"
        "atexit.register(end); cli.fashion_studio.main = wait; cli.main([])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for said in ("begins\n", "ends\n"):
        assert process.stdout.readline() == said
        process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=30)
    assert (process.returncode, out, said) == (130, "ended\n", "fashion-studio: Stopped.\n")


def test_who_reads_no_further_is_told_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "--help"], stdout=writer, stderr=subprocess.PIPE,
        text=True, check=False,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")
