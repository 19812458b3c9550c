"""Known vulnerabilities in what the service and its image run on: each is a line, and a failure.

A service that knows them and cannot be reached, or does not know a package, is said in one line and
fails nothing: a change must not fail because of the network.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements" / "image.txt"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = ["pip_audit", "--disable-pip", "--require-hashes", "--requirement", str(LOCK)]
        options = ["--format=json", f"--output={report}", "--timeout=10", "--progress-spinner=off"]
        try:
            done = subprocess.run(
                [sys.executable, "-m", *command, *options],
                capture_output=True,
                text=True,
                timeout=180,
            )
            said = (done.stderr.strip().splitlines() or ["it did not say why"])[-1][:200]
        except subprocess.TimeoutExpired:
            said = "it took longer than three minutes"
        if not report.exists():
            print(f"audit: not done: {said}")
            return 0
        dependencies = json.loads(report.read_text())["dependencies"]
    known = [dependency for dependency in dependencies if "skip_reason" not in dependency]
    found = [(dependency, flaw) for dependency in known for flaw in dependency["vulns"]]
    for dependency, flaw in found:
        mended = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"{dependency['name']} {dependency['version']}: {flaw['id']}, mended in {mended}")
    looked_up = f"{len(known)} of {len(dependencies)} packages looked up"
    print(f"audit: {looked_up}, {len(found)} vulnerabilities found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
