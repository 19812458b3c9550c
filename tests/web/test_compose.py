"""The files for docker compose agree with the service, which they describe from outside."""

import json
import re
from pathlib import Path

import pytest
import yaml
from flask.testing import FlaskClient

from service.settings import Settings

HOUSE = Path(__file__).parents[2]
DEPLOY = HOUSE / "deploy"
PUBLISHED = ("127.0.0.1:", "${LISTEN:-127.0.0.1}:", "${NGINX_LISTEN:-127.0.0.1}:")
METRIC = re.compile(r"\bfashion_studio_\w+")


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((HOUSE / "docker-compose.yml").read_text())


def test_every_variable_of_ours_is_a_setting(compose: dict) -> None:
    known = {f"FASHION_STUDIO_{name.upper()}" for name in Settings.model_fields}
    for name in ("migrate", "web", "worker"):
        ours = compose["services"][name]["environment"].keys()
        assert ours
        assert ours <= known


def test_every_variable_of_the_file_is_explained() -> None:
    """And none is set in front of a command, where the next `up`, as of an upgrade, would not have it."""
    asked = re.findall(r"\$\{(\w+)", (HOUSE / "docker-compose.yml").read_text())
    assert asked
    page = (HOUSE / "docs/compose.md").read_text()
    assert [name for name in asked if not re.search(rf"\b{name}\b", page)] == []
    commands = re.findall(r"^    (.*docker compose .*)$", page, re.MULTILINE)
    assert commands
    assert [command for command in commands if re.match(r"[A-Z_]+=", command)] == []


def test_every_service_is_confined_and_limited(compose: dict) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"memory", "cpus", "pids"} <= service["deploy"]["resources"]["limits"].keys(), name
        for port in service.get("ports", ()):
            assert port.startswith(PUBLISHED), name


def test_the_service_knows_where_its_port_is_published(compose: dict) -> None:
    """So that it does not start for others without a key, as little as it does without a container."""
    told = [
        word.removeprefix("--published-at=")
        for word in compose["services"]["web"]["command"]
        if word.startswith("--published-at=")
    ]
    published = [
        port[: port.index("}") + 1]
        for name in ("web", "nginx")
        for port in compose["services"][name]["ports"]
    ]
    assert told == published == ["${LISTEN:-127.0.0.1}", "${NGINX_LISTEN:-127.0.0.1}"]
    assert compose["services"]["web"]["environment"]["FASHION_STUDIO_ACCESS"].endswith(":-auto}")


def test_the_image_has_what_serves_and_object_stores() -> None:
    serving, image, tested = (
        set(re.findall(r"^[a-z0-9-]+(?:\[.*\])?==\S+", (HOUSE / name).read_text(), re.MULTILINE))
        for name in ("requirements/serve.txt", "requirements/image.txt", "requirements/dev.txt")
    )
    assert serving < image < tested
    assert any(pin.startswith("s3fs==") for pin in image)
    dockerfile = (HOUSE / "Dockerfile").read_text()
    assert "--require-hashes -r requirements/image.txt" in dockerfile
    assert "requirements/serve.txt" not in dockerfile


def test_no_password_stands_in_the_environment(compose: dict) -> None:
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert variable.endswith("_FILE"), (name, variable)
                assert value.startswith("/run/secrets/"), (name, variable)


def test_every_file_that_is_mounted_is_there(compose: dict) -> None:
    mounts = [
        volume.partition(":")[0]
        for service in compose["services"].values()
        for volume in service.get("volumes", ())
        if volume.startswith("./")
    ]
    assert mounts
    for mount in mounts:
        assert (HOUSE / mount).exists(), mount


def test_memory_shared_by_an_index_build_fits(compose: dict) -> None:
    """Postgres's documented need: shared memory of maintenance_work_mem, here up to 1 GB."""
    assert int(compose["services"]["database"]["shm_size"].removesuffix("mb")) >= 1024


def test_dashboard_and_alerts_ask_for_metrics_that_there_are(client: FlaskClient) -> None:
    """Names of the metrics in the service's own answer, sums and buckets of histograms with them."""
    client.get("/api/v1/garments")
    described = re.findall(r"^# TYPE (\w+) (\w+)$", client.get("/metrics").text, re.MULTILINE)
    known = {name for name, _ in described}
    histograms = [name for name, kind in described if kind == "histogram"]
    known |= {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    dashboard = (DEPLOY / "grafana/dashboards/fashion-studio.json").read_text()
    panels = json.loads(dashboard)["panels"]
    assert panels
    alerts = (DEPLOY / "prometheus/alerts.yml").read_text()
    for asked in (dashboard, alerts):
        names = set(METRIC.findall(asked))
        assert names
        assert names <= known, names - known


def test_the_proxy_and_the_service_agree() -> None:
    conf = (DEPLOY / "nginx/default.conf").read_text()

    def number(directive: str) -> int:
        found = re.search(rf"^\s*{directive} (\d+)", conf, re.MULTILINE)
        assert found is not None, directive
        return int(found[1])

    settings = Settings()
    assert number("client_max_body_size") * 2**20 > settings.max_set_bytes
    assert number("proxy_read_timeout") > settings.request_seconds


def test_two_of_the_largest_sets_wait_where_web_and_the_proxy_keep_them(compose: dict) -> None:
    for name in ("web", "nginx"):
        (held,) = compose["services"][name]["tmpfs"]
        size = re.fullmatch(r"/tmp:size=\$\{TMP_SIZE:-(\d+)g\},mode=1777", held)
        assert size is not None, name
        assert int(size[1]) * 2**30 > 2 * Settings().max_set_bytes


def test_the_proxy_writes_what_a_trusted_one_must(compose: dict) -> None:
    conf = (DEPLOY / "nginx/default.conf").read_text()
    assert "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;" in conf
    assert "proxy_set_header X-Forwarded-Proto $proto;" in conf
    assert mapped(conf, "$http_x_forwarded_proto $proto") == ["default $scheme", "https https"]
    believed = compose["services"]["web"]["environment"]["FASHION_STUDIO_TRUSTED_PROXIES"]
    assert believed == "${FASHION_STUDIO_TRUSTED_PROXIES:-0}"  # the profile is off by default


def test_the_proxy_hands_a_callers_own_id_on() -> None:
    conf = (DEPLOY / "nginx/default.conf").read_text()
    assert "proxy_set_header X-Request-ID $id;" in conf
    assert mapped(conf, "$http_x_request_id $id") == [
        "default $http_x_request_id",
        '"" $request_id',
    ]


def mapped(conf: str, names: str) -> list[str]:
    """The lines of a `map`, which stands before the server."""
    before, _, said = conf.partition(f"map {names} {{")
    assert "server {" not in before
    return [line.strip() for line in said.split("}")[0].split(";")[:-1]]


def test_the_proxy_looks_the_service_up_while_it_runs() -> None:
    """A name in an `upstream`, or written out in `proxy_pass`, is looked up once: tests/compose/run.sh."""
    conf = (DEPLOY / "nginx/default.conf").read_text()
    assert "resolver 127.0.0.11 valid=1s" in conf
    assert re.findall(r"^\s*proxy_pass (\S+);", conf, re.MULTILINE) == ["$service"]
