"""train: a model bundle from photos."""

from __future__ import annotations

from pathlib import Path

import click

from service.cli.output import json_option, note, print_json, progress_bar
from service.errors import InvalidParameter
from service.settings import load_settings


@click.command()
@click.option(
    "--data", "sources", multiple=True, required=True, type=click.Path(path_type=Path),
    metavar="SOURCE", help="As ingest takes it; may be given several times.",
)  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="BUNDLE")
@click.option("--name", default=None, help="The bundle's name; by default its folder's.")
@click.option("--version", "version", default="1", show_default=True)
@click.option(
    "--weights", default="none", show_default=True, metavar="none|BUNDLE", help="Start from."
)
@click.option("--group", "groups", multiple=True, metavar="COLUMN", help="Never split its values.")
@click.option("--task", "tasks", multiple=True, metavar="COLUMN", help="Learn this column as well.")
@click.option("--epochs", type=click.IntRange(1, 10_000), default=24, show_default=True)
@click.option(
    "--sizes", default="80,96,112", show_default=True, help="Sides of the training pictures."
)
@click.option("--input-size", type=click.IntRange(72, 1024), default=128, show_default=True)
@click.option("--batch", type=click.IntRange(2, 4096), default=32, show_default=True)
@click.option("--rate", type=float, default=2e-3, show_default=True, help="Peak learning rate.")
@click.option("--task-weight", type=float, default=0.3, show_default=True)
@click.option(
    "--precision", type=click.Choice(["float32", "mixed_bfloat16"]), default="mixed_bfloat16",
    show_default=True,
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True)
@json_option
def train(
    sources: tuple[Path, ...],
    out: Path,
    name: str | None,
    version: str,
    weights: str,
    groups: tuple[str, ...],
    tasks: tuple[str, ...],
    epochs: int,
    sizes: str,
    input_size: int,
    batch: int,
    rate: float,
    task_weight: float,
    precision: str,
    seed: int,
    as_json: bool,
) -> None:
    """Train a network on labelled photos and write it as a model bundle.

    A fifth of each source is held out, whole groups at a time, and the figures on the bundle's card
    are measured on it. Called again after it was stopped, the run goes on with its last epoch.
    """
    from service.training import Plan, train_bundle

    try:
        sides = tuple(int(side) for side in sizes.split(","))
        if min(sides) < 72:
            raise ValueError
    except ValueError:
        raise InvalidParameter(
            f"--sizes is {sizes!r}; give sides of 72 pixels or more, as 80,96."
        ) from None
    plan = Plan(
        epochs=epochs, sizes=sides, input_size=input_size, batch=batch, rate=rate,
        task_weight=task_weight, precision=precision, seed=seed,
    )  # fmt: skip
    with progress_bar("train") as advance:
        card = train_bundle(
            load_settings(),
            sources,
            out,
            plan,
            name=name or out.name,
            version=version,
            weights=None if weights == "none" else Path(weights),
            groups=groups,
            tasks=tasks,
            progress=lambda what, done, total: advance(done, total, what),
            log=note,
        )
    if as_json:
        print_json(card.model_dump(mode="json"))
    else:
        note(f"{out}: {card.title}, input {card.input_size} px, {len(card.labels)} labels")
        for source, figures in card.metrics["held_out"].items():
            low, high = figures["top1_interval_95"]
            note(
                f"  {source}: top-1 {figures['top1']:.3f} ({low:.3f} to {high:.3f}), "
                f"top-3 {figures['top3']:.3f}, {figures['photos']} photos held out"
            )
