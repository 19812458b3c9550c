"""The command `fashion-studio`. Commands are imported when called, so that each starts fast."""

from __future__ import annotations

import importlib
import io
import signal
import sys
from typing import Any

import click

from service.errors import FashionStudioError, InvalidParameter

COMMANDS = {  # name: module of this package that holds it
    "demo": "demo",
    "migrate": "serve",
    "serve": "serve",
    "ingest": "ingest",
    "classify": "ask",
    "similar": "ask",
    "top": "ask",
    "render": "demo",
    "import-features": "features",
    "export-features": "features",
    "save-labels": "features",
    "save-features": "features",
    "index": "index",
    "gates": "gates",
    "analytics": "analytics",
    "feedback": "feedback",
    "evaluate": "evaluate",
    "calibrate": "evaluate",
    "quantize": "quantize",
    "worker": "worker",
    "train": "train",
    "models": "models",
    "keys": "keys",
    "backup": "backup",
    "restore": "backup",
    "move": "backup",
    "doctor": "doctor",
}


class Commands(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # of which click makes a blank line
            raise click.Abort from None

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"service.cli.{COMMANDS[name]}")
        command = getattr(module, name.replace("-", "_"))
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="fashion-studio")
def fashion_studio() -> None:
    """More like this, on your own Postgres.

    Photos of garments in; label, similar garments and top categories out.
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run a command; every failure is one line on stderr, exit 1, or 2 for wrong usage."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that is no text, a terminal of few characters
        sys.stdout.reconfigure(errors="replace")
    try:
        code = fashion_studio.main(arguments, prog_name="fashion-studio", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        # A group without a command: its help, on many lines
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.UsageError as error:
        _fail(error.format_message(), 2)
    except click.ClickException as error:
        _fail(error.format_message(), 1)
    except (click.Abort, KeyboardInterrupt):
        # The embedded database still has to stop; impatience would leave it running, and a traceback
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if sys.stderr.isatty():
            click.echo(err=True)  # behind the terminal's own ^C
        _fail("Stopped.", 130)
    except InvalidParameter as error:
        _fail(error.detail, 2)
    except FashionStudioError as error:
        _fail(error.detail, 1)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    click.echo(f"fashion-studio: {' '.join(message.split())}", err=True)
    sys.exit(code)
