"""Where the database is: URLs from the settings, and what libpq is told."""

from __future__ import annotations

from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import ArgumentError

from service.errors import SettingsInvalid
from service.settings import Settings

DRIVERS = ("postgresql", "postgres", "postgresql+psycopg")

# What libpq is told unless the URL says otherwise, so that a peer that vanished is noticed within a
# minute: keepalives do while an answer is waited for, and the user timeout while what was sent is not
# acknowledged, when no keepalives go out. By the system's defaults it takes two hours, or a quarter of
# one. The timeout counts as well where a server that lives takes in nothing of a COPY for so long.
LIBPQ_DEFAULTS = {
    "application_name": "fashion-studio",
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,  # milliseconds
}

PLACE = ("host", "hostaddr", "port", "target_session_attrs", "load_balance_hosts")
"""What a URL says of one server alone."""


def database_url(settings: Settings) -> str | None:
    """The URL that is set, with the password of its file; None: the embedded server.

    Raises `SettingsInvalid` for a file that cannot be read, is empty, or belongs to no URL, or to one
    with a password.
    """
    file, name = settings.database_password_file, "FASHION_STUDIO_DATABASE_PASSWORD_FILE"
    if file is None:
        return settings.database_url
    if settings.database_url is None:
        raise SettingsInvalid(f"{name} is set, but FASHION_STUDIO_DATABASE_URL is not. Set both.")
    url = parse_url(settings.database_url)
    if url.password is not None:
        raise SettingsInvalid(
            f"FASHION_STUDIO_DATABASE_URL has a password, and {name} is set too. Leave one out."
        )
    try:
        password = file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is no text"
        raise SettingsInvalid(f"{name}={file} cannot be read: {said}.") from None
    if not password:
        raise SettingsInvalid(f"{name}={file} is empty. It holds the password, and nothing else.")
    return url.set(password=password).render_as_string(hide_password=False)


def parse_url(url: str, name: str = "FASHION_STUDIO_DATABASE_URL") -> URL:
    """The URL for psycopg 3. name: of the setting that it is of.

    Raises `SettingsInvalid`, without the URL: it has a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None or parsed.drivername not in DRIVERS:
        raise SettingsInvalid(
            f"{name} is no URL of a Postgres database. "
            "It looks like postgresql://user:password@host:5432/database."
        )
    if "@" in (parsed.host or ""):
        raise SettingsInvalid(f"{name} has an @ in its user or password. Write it as %40.")
    return parsed.set(drivername="postgresql+psycopg")


def hosts(url: URL) -> list[str]:
    """The servers that a URL names, in its order; none for the local socket."""
    named = url.query.get("host", url.host or "")
    return [host for host in (named.split(",") if isinstance(named, str) else named) if host]


def libpq_parameters(url: URL) -> dict[str, Any]:
    """The URL's own parameters as libpq takes them: several hosts are one list, and so are their ports."""
    _, parameters = PGDialect_psycopg().create_connect_args(url)
    return {name: value for name, value in parameters.items() if name != "context"}


# Rows are sent as they are stored. It wins over PGCLIENTENCODING, and over what the server has for the role
ENCODING = {"client_encoding": "utf8"}


def libpq_defaults(url: URL) -> dict[str, Any]:
    """The parameters that the URL leaves open, and the encoding, whatever it says."""
    several = {"target_session_attrs": "read-write"} if len(hosts(url)) > 1 else {}
    return {k: v for k, v in (LIBPQ_DEFAULTS | several).items() if k not in url.query} | ENCODING


def replica_url(url: str, primary: URL) -> URL:
    """A replica's URL; what it leaves out of user, password, database and options is the primary's,
    which a copy of the server shares. Raises `SettingsInvalid`, also for several hosts in one URL."""
    name = "FASHION_STUDIO_REPLICA_URL"
    own = parse_url(url, name)
    if len(hosts(own)) > 1:
        raise SettingsInvalid(
            f"{name} has several hosts in one URL. Give each replica a URL of its own, separated by "
            "spaces: how far each is behind has to be known."
        )
    shared = primary.password if own.username in (None, primary.username) else None
    query = {k: v for k, v in primary.query.items() if k not in PLACE} | dict(own.query)
    return own.set(
        username=own.username or primary.username,
        password=own.password or shared,
        database=own.database or primary.database,
        query=query,
    )
