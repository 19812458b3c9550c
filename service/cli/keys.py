"""keys: who may use the HTTP API."""

from __future__ import annotations

import click

from service.catalog import ApiKey, revoke_key
from service.catalog import keys as all_keys
from service.cli.output import json_option, note, print_json, print_table
from service.domain import SCOPES, Scope
from service.keys import create_key
from service.settings import load_settings
from service.studio import open_catalog


@click.group()
def keys() -> None:
    """Make, show and revoke the API keys of the HTTP API.

    Once a key was made, the API answers nobody without one.
    """


@keys.command()
@click.option("--name", required=True, help="Tells whose key it is.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="read asks and changes nothing; write also changes garments and sets; admin also imports.",
)
@json_option
def create(name: str, scopes: tuple[Scope, ...], as_json: bool) -> None:
    """Make a key and print it: this once, as only its digest is kept."""
    with open_catalog(load_settings()) as engine:
        secret, key = create_key(engine, name, scopes)
    if as_json:
        print_json({"key": secret} | key.as_dict())
    else:
        click.echo(secret)
        note("Keep it: it is not shown again. Send it as `Authorization: Bearer KEY`.")


@keys.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """Show every key that was made, without the keys themselves."""
    with open_catalog(load_settings()) as engine:
        found = all_keys(engine)
    if as_json:
        print_json({"keys": [key.as_dict() for key in found]})
    else:
        print_table(("id", "name", "scopes", "created", "last used", "state"), map(_cells, found))


@keys.command()
@click.argument("name")
@json_option
def revoke(name: str, as_json: bool) -> None:
    """Make the key NAME worthless, within a second also to a running service."""
    with open_catalog(load_settings()) as engine:
        key = revoke_key(engine, name)
    if as_json:
        print_json(key.as_dict())
    else:
        note(f"The key {key.name!r} is revoked.")


def _cells(key: ApiKey) -> tuple[str, ...]:
    return (
        str(key.id),
        key.name,
        ",".join(key.scopes),
        f"{key.created_at:%Y-%m-%d %H:%M}",
        f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never",
        f"revoked {key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else "valid",
    )
