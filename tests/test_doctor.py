"""`fashion-studio doctor`, and what else looks at the schema first, where the catalog cannot be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, make_url, text

from service.catalog import usable
from service.catalog.database.engine import driver_of
from service.catalog.database.urls import hosts
from service.errors import DatabaseUnfit

from .test_cli import assert_one_line, run
from .web.serving import free_port


@pytest.fixture
def guest(engine: Engine, environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The settings of a user that may not do anything with the catalog."""
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE guest LOGIN"))
    url = make_url(environment["FASHION_STUDIO_DATABASE_URL"]).set(username="guest")
    yield {"FASHION_STUDIO_DATABASE_URL": url.render_as_string(hide_password=False)}
    with engine.begin() as connection:
        connection.execute(text("DROP OWNED BY guest"))
        connection.execute(text("DROP ROLE guest"))


def failures(guest: dict[str, str]) -> dict[str, str]:
    done = run("doctor", "--json", **guest)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    checks = json.loads(done.stdout)["checks"]
    return {check["check"]: check["detail"] for check in checks if not check["ok"]}


def test_a_user_who_may_not_read_is_told(engine: Engine, guest: dict[str, str]) -> None:
    for command in (["migrate"], ["worker", "--once"], ["serve", "--port", str(free_port())]):
        assert_one_line(run(*command, **guest), 1, "denied for table alembic_version. Connect as")
    (said,) = failures(guest).items()
    assert said[0] == "schema"
    assert "may not read the catalog: permission denied for table alembic_version" in said[1]
    with engine.begin() as connection:
        connection.execute(text("GRANT SELECT ON alembic_version TO guest"))
    found = failures(guest)
    assert found.keys() == {"catalog", "indexes", "jobs", "serving"}
    assert all("may not read the catalog: " in detail for detail in found.values())


def test_a_user_who_may_only_read_is_told(
    engine: Engine, guest: dict[str, str], drawn: Path
) -> None:
    with engine.begin() as connection:
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest"))
    first = run("similar", "--random", **guest)  # enters its model
    assert_one_line(first, 1, "may not do this: permission denied for table model. Connect as")
    assert run("ingest", drawn / "garments.csv").returncode == 0
    assert run("similar", "--random", **guest).returncode == 0
    for command, table in (
        (["keys", "create", "--name", "shop", "--scope", "read"], "api_key"),
        (["ingest", drawn / "garments.csv"], "import_run"),
        (["worker", "--once"], "import_run"),
    ):
        assert_one_line(run(*command, **guest), 1, f"denied for table {table}. Connect as the user")
    finer = "may not build indexes: permission denied for table model. Let the table's owner"
    assert_one_line(run("index", **guest), 1, finer)


def test_a_copy_that_is_not_permitted_is_said(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("CREATE ROLE stranger"))
        connection.execute(text("SET LOCAL ROLE stranger"))
        refused = pytest.raises(DatabaseUnfit, match="denied for table garment")
        with refused, usable(), driver_of(connection) as driver:
            driver.execute("COPY garment TO STDOUT")


def test_doctor_stops_at_a_database_that_was_never_migrated(
    home: Path, empty_database_url: str
) -> None:
    url = make_url(empty_database_url)
    (host,) = hosts(url)
    either = url.set(host=None).update_query_dict({"host": [host, host]})
    place = {
        "FASHION_STUDIO_HOME": str(home),
        "FASHION_STUDIO_DATABASE_URL": either.render_as_string(hide_password=False),
    }
    done = run("doctor", **place)
    assert done.returncode == 1
    assert f"ok    database: {host} or {host}\n" in done.stdout
    assert "FAIL  schema: The database is empty." in done.stdout
    assert "Traceback" not in done.stderr
