"""worker: background work."""

from __future__ import annotations

import click

from service.logs import set_up_logs
from service.settings import load_settings


@click.command()
@click.option("--once", is_flag=True, help="Do the jobs that wait now, and end.")
@click.option("--child-of", "parent", type=int, hidden=True, help="End with this parent process.")
def worker(once: bool, parent: int | None) -> None:
    """Do background work until Ctrl-C: imports asked for over HTTP, similarity indexes.

    `serve` starts one itself, unless told not to with --no-worker. Any number may run at once, on
    any machine that sees the photos and the database.
    """
    from service.jobs import run_worker

    settings = load_settings()
    set_up_logs(settings)
    run_worker(settings, once=once, parent=parent)
