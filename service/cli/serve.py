"""serve and migrate: the service and its database's schema."""

from __future__ import annotations

import click

from service.catalog import migrate as bring_schema_to
from service.catalog import open_database
from service.cli.output import json_option, note, print_json
from service.settings import load_settings


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; others than this machine's need an API key.",
)
@click.option(
    "--published-at",
    metavar="HOST",
    multiple=True,
    help="Where a container's engine publishes the port, if not at --host; may be given several times.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on.",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes."
)
@click.option(
    "--threads",
    type=click.IntRange(1, 1024),
    show_default="48 more than FASHION_STUDIO_MAX_IN_FLIGHT",
    help="Connections at once in each process.",
)
@click.option("--no-worker", is_flag=True, help="Leave background jobs to `fashion-studio worker`.")
def serve(
    host: str,
    published_at: tuple[str, ...],
    port: int,
    workers: int,
    threads: int | None,
    no_worker: bool,
) -> None:
    """Serve the page and the HTTP API until Ctrl-C."""
    from service.web.server import serve as run

    run(
        load_settings(),
        host=host,
        published_at=published_at,
        port=port,
        workers=workers,
        threads=threads,
        background=not no_worker,
    )


@click.command()
@click.option("--to", "revision", default="head", show_default=True, help="Revision, head or base.")
@json_option
def migrate(revision: str, as_json: bool) -> None:
    """Bring the configured database's schema to a revision, up or down."""
    engine = open_database(load_settings())
    try:
        reached = bring_schema_to(engine, revision)
    finally:
        engine.dispose()
    if as_json:
        print_json({"revision": reached})
    else:
        note(f"The schema is at {reached}.")
