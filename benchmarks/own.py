"""Settings of a studio of a benchmark's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from service.settings import Settings

ELSEWHERE = ("DATABASE_URL", "DATABASE_PASSWORD_FILE", "REPLICA_URL")


def own_settings(home: Path, **more: Any) -> Settings:
    """Of an embedded database in `home`, whatever the environment names: benchmarks empty theirs."""
    return Settings(
        home=home, database_url=None, database_password_file=None, replica_url=(), **more
    )


def own_environment(home: Path, **more: str) -> dict[str, str]:
    """The same for a child: this process's environment without another database."""
    left_out = {f"FASHION_STUDIO_{name}" for name in ELSEWHERE}
    here = {name: value for name, value in os.environ.items() if name not in left_out}
    return here | {"FASHION_STUDIO_HOME": str(home)} | more
