"""What draws the pictures of one garment together? The same training, with one loss or another.

    .venv/bin/python benchmarks/losses.py --data labels.csv --data drawn/garments.csv \\
        --group sender_id --group garment --backbone efficientnetlite0 --weights imagenet …

Options are those of `fashion-studio train`, without --garment, --alike, --similarity and --out: they
differ from run to run. Every bundle is then evaluated on the photos that all of them held out, and on
garments drawn in three scenes each that none has seen.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

GARMENT = "garment"  # the column of the drawn garments
ALIKE = [
    word for column in ("family", "pattern", "sleeve", "neckline") for word in ("--alike", column)
]
LOSSES: dict[str, list[str]] = {
    "labels alone": ["--similarity", "0"],
    "and a proxy for each garment": ["--similarity", "0", "--task", GARMENT],
    "and two views of a photo": [],
    "and two photos of a garment": ["--garment", GARMENT],
    "and the others ordered": ["--garment", GARMENT, *ALIKE],
}
COMMAND = (sys.executable, "-m", "service.cli")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--out", type=Path, help="keep the bundles and their evaluations here")
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--group", action="append", default=[])
    arguments, training = parser.parse_known_args()
    photos = [
        part
        for name in ("data", "group")
        for value in getattr(arguments, name)
        for part in (f"--{name}", value)
    ]
    with tempfile.TemporaryDirectory() as temporary:
        out = arguments.out or Path(temporary)
        out.mkdir(parents=True, exist_ok=True)
        for number, (name, options) in enumerate(LOSSES.items()):
            bundle, began = out / f"loss-{number}", time.monotonic()
            run("train", *photos, *training, *options, "--out", str(bundle))
            seconds = time.monotonic() - began
            held_out = figures("evaluate", str(bundle), *photos, "--out", f"{bundle}-held-out")
            drawn = figures("evaluate", str(bundle), "--out", f"{bundle}-drawn")
            show(number, name, [*held_out.items(), *drawn.items()], seconds)


def run(*words: str) -> str:
    return subprocess.run([*COMMAND, *words], check=True, stdout=subprocess.PIPE, text=True).stdout


def figures(*words: str) -> dict[str, Any]:
    """Of one bundle, source by source."""
    return json.loads(run(*words, "--json"))["bundles"][0]["sources"]


def show(number: int, name: str, sources: list[tuple[str, dict]], seconds: float) -> None:
    if number == 0:
        print(
            "| loss | photos | right label | same garment first | same category of nine | ", end=""
        )
        print("family, pattern, sleeve of nine | minutes |\n| --- | --- |" + " ---: |" * 5)
    for source, row in sources:
        found = row["retrieval"]
        same = found["same_garment"]
        agreement = [f"{part['agreement']:.3f}" for part in found["attributes"].values()]
        cells = (
            f"{name}",
            f"{row['photos']} of {source}",
            f"{row['top1']:.3f}",
            "–" if same is None else f"{same['recall_at_1']:.3f}",
            f"{found['precision_at_9']:.3f}",
            ", ".join(agreement) or "–",
            f"{seconds / 60:.0f}",
        )
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
