"""URLs, versions, and a database that is not there: one clear line each, never the password."""

import signal
import threading
import time

import pytest
from psycopg import connect
from sqlalchemy import make_url, text

from service.catalog import check_server, libpq, open_database, open_engine
from service.catalog.database.engine import driver_of, reading
from service.catalog.database.server import judge_versions
from service.catalog.database.urls import database_url as database_url_of
from service.errors import DatabaseUnavailable, DatabaseUnfit, SettingsInvalid
from service.settings import Settings


def refusal(url):
    engine = open_engine(url)
    with pytest.raises(DatabaseUnavailable) as raised:
        check_server(engine)
    said = str(raised.value)
    assert "\n" not in said
    assert "secret" not in said
    return said


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_usual_scheme_is_understood(database_url, scheme):
    url = make_url(database_url).set(drivername=scheme).render_as_string(hide_password=False)
    engine = open_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW application_name")) == "fashion-studio"
    engine.dispose()


def test_a_server_that_vanishes_is_noticed_within_a_minute_whoever_asks(engine):
    """Also while what was sent is not acknowledged, when no keepalives go out."""
    line, parameters = libpq(engine)
    with (
        engine.connect() as connection,
        driver_of(connection) as driver,
        connect(line, **parameters) as other,
    ):
        for told in (driver.info.get_parameters(), other.info.get_parameters()):
            assert told["tcp_user_timeout"] == "60000"
            idle, interval, count = (
                int(told[f"keepalives_{name}"]) for name in ("idle", "interval", "count")
            )
            assert idle + interval * count == 60


def test_the_url_overrides_what_libpq_is_told(database_url):
    changed = {"application_name": "shop", "tcp_user_timeout": "5000"}
    url = make_url(database_url).update_query_dict(changed)
    engine = open_engine(url.render_as_string(hide_password=False))
    with engine.connect() as connection, driver_of(connection) as driver:
        assert connection.scalar(text("SHOW application_name")) == "shop"
        assert driver.info.get_parameters()["tcp_user_timeout"] == "5000"
    engine.dispose()


def test_transactions_are_read_committed_whatever_the_servers_default(database_url):
    strict = {"options": "-c default_transaction_isolation=serializable"}
    url = make_url(database_url).update_query_dict(strict)
    engine = open_engine(url.render_as_string(hide_password=False))
    level = text("SHOW transaction_isolation")
    with engine.begin() as connection:
        assert connection.scalar(level) == "read committed"
    with reading(engine) as connection:
        connection.scalar(level)
    with engine.begin() as connection:
        assert connection.scalar(level) == "read committed"
    engine.dispose()


@pytest.mark.parametrize(
    "url",
    ["", "secret", "mysql://me:secret@host/db", "postgresql://me:secret@host:port/db", "sqlite://"],
)
def test_another_kind_of_url_is_refused_without_repeating_it(url):
    with pytest.raises(SettingsInvalid, match="postgresql://user:password@host") as raised:
        open_engine(url)
    assert "secret" not in str(raised.value)


def test_a_password_with_an_at_sign_is_explained():
    with pytest.raises(SettingsInvalid, match="%40") as raised:
        open_engine("postgresql://me:sec@ret@host/db")
    assert "ret" not in str(raised.value).replace("Write it", "")


def test_a_refused_connection_says_where():
    assert "db at 127.0.0.1:1" in refusal("postgresql://me:secret@127.0.0.1:1/db")
    assert "Connection refused" in refusal("postgresql://me:secret@127.0.0.1:1/db")


def test_an_unknown_host_is_named():
    assert "nowhere.invalid" in refusal("postgresql://me:secret@nowhere.invalid/db")


def test_a_missing_database_or_user_is_named(database_url):
    url = make_url(database_url).set(password="secret")
    for changed, name in ((url.set(database="lost"), "lost"), (url.set(username="eve"), "eve")):
        said = refusal(changed.render_as_string(hide_password=False))
        assert f'"{name}" does not exist' in said


def test_a_session_that_the_server_ends_is_replaced(engine, administrator):
    end = text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :d")
    with engine.connect() as connection:
        with administrator.connect() as other:
            other.execute(end, {"d": engine.url.database})
        with pytest.raises(DatabaseUnavailable, match="terminat"):
            connection.execute(text("SELECT 1"))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_a_pooled_connection_that_died_idle_is_replaced_unnoticed(
    engine, administrator, monkeypatch
):
    monkeypatch.setattr("service.catalog.database.engine.IDLE_SECONDS", 0.0)
    with engine.connect():
        pass
    end = text("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = :d")
    with administrator.connect() as other:
        other.execute(end, {"d": engine.url.database})
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_a_pooled_connection_that_was_idle_keeps_what_it_has_prepared(engine, monkeypatch):
    monkeypatch.setattr("service.catalog.database.engine.IDLE_SECONDS", 0.0)
    with reading(engine) as connection, driver_of(connection) as driver:
        driver.execute("SELECT 1", prepare=True)
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement = 'SELECT 1'")
    with reading(engine) as connection:
        assert connection.scalar(prepared) == 1


def test_a_fault_of_the_query_stays_a_fault_of_the_query(engine):
    with engine.connect() as connection, pytest.raises(Exception, match="syntax error") as raised:
        connection.execute(text("SELEKT"))
    assert not isinstance(raised.value, DatabaseUnavailable)


def test_threads_share_the_pool(engine):
    answers = []

    def ask():
        with engine.connect() as connection:
            answers.append(connection.scalar(text("SELECT 1")))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [1] * 12


def test_open_database_takes_the_url_of_the_settings(database_url):
    engine = open_database(Settings(database_url=database_url))
    assert check_server(engine) == []
    engine.dispose()


def test_the_password_may_lie_in_a_file(tmp_path, database_url):
    file, url = tmp_path / "password", "postgresql://studio@database/studio"
    file.write_text("p@ss: wörd/ \n")
    found = database_url_of(Settings(database_url=url, database_password_file=file))
    assert make_url(found).password == "p@ss: wörd/ "
    assert database_url_of(Settings(database_url=database_url)) == database_url


@pytest.mark.parametrize(
    ("url", "content", "said"),
    [
        (None, "secret", "FASHION_STUDIO_DATABASE_URL is not. Set both"),
        ("postgresql://studio:other@database/studio", "secret", "has a password.*Leave one out"),
        ("postgresql://studio@database/studio", "\n", "is empty"),
        ("postgresql://studio@database/studio", None, "cannot be read: No such file"),
    ],
)
def test_a_password_file_that_cannot_serve_is_refused(tmp_path, url, content, said):
    file = tmp_path / "password"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsInvalid, match=said) as caught:
        database_url_of(Settings(database_url=url, database_password_file=file))
    assert "secret" not in str(caught.value)
    assert "other" not in str(caught.value)


@pytest.mark.parametrize(
    ("postgres", "pgvector", "said"),
    [
        (140011, "0.8.5", "is Postgres 14; Fashion Studio needs 15 or later"),
        (160002, None, "lacks the extension pgvector. Install it.*postgresql-16-pgvector"),
        (150000, "0.7.4", "has pgvector 0.7.4; Fashion Studio needs 0.8.0"),
    ],
)
def test_an_unfit_server_is_refused(postgres, pgvector, said):
    with pytest.raises(DatabaseUnfit, match=said):
        judge_versions(postgres, pgvector)


@pytest.mark.parametrize("pgvector", ["0.8.0", "0.8.1", "0.8.3"])
def test_an_old_pgvector_is_warned_about(pgvector):
    (warning,) = judge_versions(180004, pgvector)
    assert warning.startswith(f"pgvector {pgvector} has known bugs in HNSW indexes")


@pytest.mark.parametrize("pgvector", ["0.8.4", "0.8.5", "0.10.0", "1.0"])
@pytest.mark.parametrize("postgres", [150000, 180004, 190000])
def test_a_good_server_is_not_warned_about(postgres, pgvector):
    assert judge_versions(postgres, pgvector) == []


def test_ctrl_c_ends_a_query_and_is_no_fault_of_the_database(engine):
    began = time.monotonic()
    with engine.connect() as connection:
        # Begun behind the connection: an interrupt outside of the block would end the tests
        interrupt = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
        with pytest.raises(KeyboardInterrupt):
            _asleep(connection, interrupt)
    assert time.monotonic() - began < 10


def _asleep(connection, interrupt):
    interrupt.start()
    connection.execute(text("SELECT pg_sleep(30)"))
