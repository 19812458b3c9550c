"""Who may ask: keys and their scopes, the page's cookie, and a service without any key."""

from __future__ import annotations

import time

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine, text

from service.catalog import revoke_key
from service.domain import SCOPES, Scope
from service.errors import DatabaseUnavailable, KeysMissing
from service.keys import create_key
from service.studio import Studio
from service.web.access import REMEMBERED, Access, require_keys
from service.web.app import create_app
from service.web.auth import _hostname

from .asking import form, require_problem

GARMENT = "/api/v1/garments/1"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def key(engine: Engine, *scopes: Scope, name: str = "shop") -> str:
    secret, _ = create_key(engine, name, scopes or ("read",))
    return secret


@pytest.fixture
def locked(empty: FlaskClient, studio: Studio) -> tuple[FlaskClient, str]:
    """A client, and a key that may read."""
    return empty, key(studio.engine)


def test_without_a_key_made_this_machine_is_answered(empty: FlaskClient) -> None:
    require_problem(empty.get(GARMENT), 404, "garment_not_found")
    for host in ("127.0.0.1:8000", "[::1]:8000", "studio.localhost"):
        assert empty.get(GARMENT, headers={"Host": host}).status_code == 404


@pytest.mark.parametrize(
    "host", ["shop.example", "10.0.0.7:8000", "127.0.0.1.example", "x@localhost"]
)
def test_without_a_key_made_nobody_else_is(empty: FlaskClient, host: str) -> None:
    answer = empty.get(GARMENT, headers={"Host": host})
    assert "keys create" in require_problem(answer, 403, "forbidden")


def test_once_a_key_was_made_it_is_needed(empty: FlaskClient, studio: Studio) -> None:
    assert empty.get(GARMENT).status_code == 404
    secret = key(studio.engine)
    time.sleep(REMEMBERED)
    answer = empty.get(GARMENT)
    require_problem(answer, 401, "unauthorized")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert empty.get(GARMENT, headers=bearer(secret)).status_code == 404


@pytest.mark.parametrize(
    "given", ["Bearer fs_wrong", "Bearer ", "Basic dXNlcjpwYXNz", "fs_", "Bearer é"]
)
def test_another_key_is_none(locked: tuple[FlaskClient, str], given: str) -> None:
    client, _ = locked
    require_problem(client.get(GARMENT, headers={"Authorization": given}), 401, "unauthorized")


def test_a_revoked_key_is_worthless_within_a_second(
    locked: tuple[FlaskClient, str], studio: Studio
) -> None:
    client, secret = locked
    assert client.get(GARMENT, headers=bearer(secret)).status_code == 404
    revoke_key(studio.engine, "shop")
    time.sleep(REMEMBERED)
    require_problem(client.get(GARMENT, headers=bearer(secret)), 401, "unauthorized")
    require_problem(client.get(GARMENT), 401, "unauthorized")  # the last one gone opens nothing


@pytest.mark.parametrize(
    ("scope", "read", "write"), [("read", 404, 403), ("write", 404, 404), ("admin", 404, 404)]
)
def test_a_scope_allows_what_those_before_it_allow(
    empty: FlaskClient, studio: Studio, scope: Scope, read: int, write: int
) -> None:
    headers = bearer(key(studio.engine, scope))
    assert empty.get("/api/v1/sets/1", headers=headers).status_code == read
    answer = empty.delete("/api/v1/sets/1", headers=headers)
    assert answer.status_code == write
    if write == 403:
        assert "needs write" in require_problem(answer, 403, "forbidden")


def test_nothing_of_a_request_is_read_before_it_may(locked: tuple[FlaskClient, str]) -> None:
    client, _ = locked
    require_problem(client.post("/api/v1/similar?nn=1", **form(b"no image")), 401, "unauthorized")


def test_every_operation_needs_a_key(locked: tuple[FlaskClient, str]) -> None:
    client, _ = locked
    document = client.get("/openapi.json").get_json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["security"][0]["key"][0] in SCOPES
            answer = client.open(path.replace("{", "").replace("}", ""), method=method)
            require_problem(answer, 401, "unauthorized")


def test_the_page_asks_for_the_key_and_keeps_it(locked: tuple[FlaskClient, str]) -> None:
    client, secret = locked
    answer = client.get("/")
    assert answer.status_code == 401
    assert "sign-in" in answer.text
    assert "card" not in answer.text
    require_problem(client.post("/session", json={"key": "fs_no"}), 401, "unauthorized")
    require_problem(client.post("/session", json={}), 400, "invalid_parameter")

    answer = client.post("/session", json={"key": secret})
    assert answer.status_code == 204
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert client.get(GARMENT).status_code == 404
    assert "Sign out" in client.get("/").text
    assert client.delete("/session").status_code == 204
    assert client.get(GARMENT).status_code == 401


def test_over_https_the_cookie_stays_there(locked: tuple[FlaskClient, str]) -> None:
    client, secret = locked
    answer = client.post("/session", json={"key": secret}, base_url="https://localhost")
    assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_another_sites_page_changes_nothing(
    empty: FlaskClient, studio: Studio, headers: dict[str, str]
) -> None:
    require_problem(empty.delete("/api/v1/sets/1", headers=headers), 403, "forbidden")
    secret = key(studio.engine, "write")
    time.sleep(REMEMBERED)
    empty.post("/session", json={"key": secret})
    require_problem(empty.delete("/api/v1/sets/1", headers=headers), 403, "forbidden")
    answer = empty.delete("/api/v1/sets/1", headers=headers | bearer(secret))
    require_problem(answer, 404, "set_not_found")  # a page cannot know a key
    own = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
    assert empty.delete("/api/v1/sets/1", headers=own).status_code == 404


def test_open_by_choice(studio: Studio) -> None:
    key(studio.engine)
    studio.settings = studio.settings.model_copy(update={"access": "open"})
    client = create_app(studio).test_client()
    for headers in ({"Host": "shop.example"}, bearer("something of the proxy")):
        assert client.get(GARMENT, headers=headers).status_code == 404


def test_probes_and_descriptions_need_no_key(locked: tuple[FlaskClient, str]) -> None:
    client, _ = locked
    for path in ("/healthz", "/readyz", "/openapi.json", "/docs", "/problems/unauthorized"):
        assert client.get(path).status_code == 200


def test_listening_for_others_needs_a_key(studio: Studio) -> None:
    engine = studio.engine
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        assert require_keys(engine, "auto", [host]) == "auto"
    for host in ("0.0.0.0", "::", "192.168.1.2", "example.org"):
        for hosts in ([host], ["127.0.0.1", host]):
            with pytest.raises(KeysMissing, match=f"On {host} others .* keys create"):
                require_keys(engine, "auto", hosts)
            assert require_keys(engine, "open", hosts) == "open"
    with pytest.raises(KeysMissing):
        require_keys(engine, "keys", ["127.0.0.1"])
    key(engine)
    assert require_keys(engine, "auto", ["0.0.0.0"]) == "keys"
    revoke_key(engine, "shop")
    with pytest.raises(KeysMissing):
        require_keys(engine, "auto", ["0.0.0.0"])


def test_the_database_has_no_key_only_digests_and_uses(
    locked: tuple[FlaskClient, str], studio: Studio
) -> None:
    client, secret = locked
    client.get(GARMENT, headers=bearer(secret))
    with studio.engine.connect() as connection:
        row = connection.execute(text("SELECT api_key::text, last_used_at FROM api_key")).one()
    assert secret not in row[0]
    assert secret.removeprefix("fs_") not in row[0]
    assert row.last_used_at is not None


@pytest.mark.parametrize("headers", [{"Cookie": "x=\xe9"}, {"Cookie": "fashion-studio-key=\xe9"}])
def test_a_cookie_that_is_no_text_is_another_programs(
    empty: FlaskClient, headers: dict[str, str]
) -> None:
    require_problem(empty.get(GARMENT, headers=headers), 404, "garment_not_found")


def test_what_is_no_url_is_another_site(empty: FlaskClient) -> None:
    answer = empty.delete(GARMENT, headers={"Origin": "http://["})
    require_problem(answer, 403, "forbidden")
    assert _hostname("[1::2::3]") == ""


def test_while_the_primary_is_away_what_it_said_of_keys_holds(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = Access(lambda: studio.engine, "auto")

    def away(*_: object, **__: object) -> bool:
        raise DatabaseUnavailable()

    with monkeypatch.context() as patch:
        patch.setattr("service.web.access.any_key", away)
        with pytest.raises(DatabaseUnavailable):
            access.required()
    assert not access.required()
    monkeypatch.setattr("service.web.access.any_key", away)
    monkeypatch.setattr("service.web.access.REMEMBERED", -1.0)
    assert not access.required()
