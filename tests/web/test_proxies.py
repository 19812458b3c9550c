"""Where a request comes from: its connection alone, or what a number of proxies in front wrote."""

from __future__ import annotations

import pytest
from flask import request
from flask.testing import FlaskClient
from sqlalchemy import Engine

from service.errors import SettingsInvalid
from service.keys import create_key
from service.settings import load_settings
from service.studio import Studio
from service.web.app import create_app

from .asking import require_problem
from .conftest import warm
from .serving import ready_server

GARMENT = "/api/v1/garments/1"


def behind(studio: Studio, proxies: int, **changes: object) -> FlaskClient:
    update = {"trusted_proxies": proxies, **changes}
    studio.settings = studio.settings.model_copy(update=update)
    return warm(studio)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def address(client: FlaskClient, forwarded: str) -> str:
    """Whom the service takes the client for, asked through proxies that wrote this."""
    with client:
        client.get("/healthz", headers={"X-Forwarded-For": forwarded})
        return str(request.remote_addr)


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "10.0.0.7", "127.0.0.1"),
        (1, "10.0.0.7", "10.0.0.7"),
        (1, "made up, 10.0.0.7", "10.0.0.7"),
        (1, "2001:db8::7", "2001:db8::7"),
        (2, "made up, 10.0.0.7, 10.0.0.1", "10.0.0.7"),
        (2, "10.0.0.7", "127.0.0.1"),  # past one of the two
    ],
)
def test_an_address_counts_for_as_many_hops_as_are_trusted(
    studio: Studio, proxies: int, forwarded: str, expected: str
) -> None:
    assert address(behind(studio, proxies), forwarded) == expected


def test_the_rate_is_of_each_client_behind_the_proxy(studio: Studio) -> None:
    client = behind(studio, 1, rate_limit="1/minute", access="open")
    for forwarded, status in (("10.0.0.7", 404), ("10.0.0.8", 404), ("10.0.0.9, 10.0.0.7", 429)):
        answer = client.get(GARMENT, headers={"X-Forwarded-For": forwarded})
        assert answer.status_code == status, forwarded


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_no_header_but_host_says_which_host_was_asked(studio: Studio, proxies: int) -> None:
    """Without keys only a loopback host is answered, whatever a proxy says beside it."""
    headers = {"Host": "shop.example", "X-Forwarded-Host": "localhost", "X-Forwarded-For": "::1"}
    require_problem(behind(studio, proxies).get(GARMENT, headers=headers), 403, "forbidden")


@pytest.mark.parametrize("proxies", [0, 1, 2])
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "10.0.0.7"},
        {"X-Forwarded-For": "10.0.0.7, 127.0.0.1"},
        {"X-Forwarded-For": "127.0.0.1, 10.0.0.7"},
        {"X-Forwarded-For": "unknown"},
        {"X-Real-IP": "2001:db8::7"},
        {"Forwarded": "for=127.0.0.1"},
        {"Via": "1.1 shop"},
    ],
)
def test_without_keys_what_came_through_a_proxy_is_refused(
    studio: Studio, proxies: int, headers: dict[str, str]
) -> None:
    """Apache and nginx ask for the name in their own configuration, here mostly localhost."""
    client = behind(studio, proxies)
    assert "keys create" in require_problem(client.get(GARMENT, headers=headers), 403, "forbidden")
    secret, _ = create_key(studio.engine, "shop", ["read"])
    assert client.get(GARMENT, headers=headers | bearer(secret)).status_code == 404


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_without_keys_a_proxy_of_this_machine_may_ask_for_it(studio: Studio, proxies: int) -> None:
    headers = {"X-Forwarded-For": "127.0.0.1, ::1", "X-Real-IP": "127.0.0.1"}
    assert behind(studio, proxies).get(GARMENT, headers=headers).status_code == 404


def test_without_keys_behind_a_trusted_proxy_its_connection_counts(studio: Studio) -> None:
    """One that writes no header, on another machine or in another container."""
    elsewhere = {"REMOTE_ADDR": "172.17.0.1"}
    for proxies, status in ((0, 404), (1, 403)):  # 0: a port of a container, published on loopback
        answer = behind(studio, proxies).get(GARMENT, environ_base=elsewhere)
        assert answer.status_code == status, proxies


def test_without_keys_what_is_published_on_this_machine_alone_is_answered(studio: Studio) -> None:
    """The stack of containers: nginx names the gateway of their network, from where its own machine asks."""
    studio.settings = studio.settings.model_copy(update={"trusted_proxies": 1})
    client = create_app(studio, published=True).test_client()
    gateway = {"X-Forwarded-For": "172.18.0.1", "X-Real-IP": "172.18.0.1"}
    assert client.get(GARMENT, headers=gateway).status_code == 404
    answer = client.get(GARMENT, headers=gateway | {"Host": "shop.example"})
    require_problem(answer, 403, "forbidden")


@pytest.mark.parametrize("given", ["-1", "all"])
def test_a_number_that_is_none_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASHION_STUDIO_TRUSTED_PROXIES", given)
    with pytest.raises(SettingsInvalid, match="FASHION_STUDIO_TRUSTED_PROXIES"):
        load_settings()


@pytest.mark.usefixtures("environment", "encoder")
@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_the_server_itself_believes_nobody_else(engine: Engine, proxies: int) -> None:
    """gunicorn would take the scheme from whoever asks on loopback."""
    secret, _ = create_key(engine, "shop", ["read"])
    rate = "1/hour" if proxies else "2/hour"  # signing in counts, here by the same address
    variables = {"ACCESS": "open", "RATE_LIMIT": rate, "TRUSTED_PROXIES": str(proxies)}
    environment = {f"FASHION_STUDIO_{name}": value for name, value in variables.items()}
    with ready_server("--no-worker", **environment) as server:
        body = f'{{"key": "{secret}"}}'.encode()
        headers = {"Content-Type": "application/json", "X-Forwarded-Proto": "https"}
        status, _, answered = server.ask("POST", "/session", body, headers=headers)
        assert (status, "Secure" in answered["Set-Cookie"]) == (204, proxies > 0)
        statuses = [
            server.ask("GET", GARMENT, headers={"X-Forwarded-For": f"10.0.0.{last}, 10.0.1.1"})[0]
            for last in (7, 8)
        ]
        assert statuses == [404, 404 if proxies == 2 else 429]
