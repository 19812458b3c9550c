"""The real server keeps what its document promises: Schemathesis tries, with all its checks on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .live import Live, live

__all__ = ["live"]
ROOT = Path(__file__).parents[2]


def test_the_document_is_kept(live: Live, tmp_path: Path) -> None:
    """Examples of the document, boundaries of every parameter, chance, and calls after calls."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from schemathesis.cli import schemathesis; schemathesis()",
            "run",
            f"{live.url}/openapi.json",
            "--header",
            f"Authorization: Bearer {live.key}",
            "--checks=all",
            "--phases=examples,coverage,fuzzing,stateful",
            "--mode=all",
            "--max-examples=10",
            "--seed=1",
            "--generation-database=none",
            "--continue-on-failure",
            "--no-color",
        ],
        cwd=tmp_path,
        env=os.environ
        | {
            "SCHEMATHESIS_HOOKS": "tests.web.schemathesis_hooks",
            "PYTHONPATH": str(ROOT),
            "FASHION_STUDIO_IMPORT_ROOTS": str(live.root),
        },
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout, done.stdout
