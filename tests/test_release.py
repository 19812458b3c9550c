"""The packages that a release is: what is in them, and that the wheel works far from the checkout.

`make release-test` installs what the lock file names into an environment of its own, some minutes and a
gigabyte. Every other run lends the new environment the packages that run the tests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from pathlib import Path

import pytest

from .web.serving import free_port, wait_until_ready

ROOT = Path(__file__).parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
LOCKED = "FASHION_STUDIO_RELEASE" in os.environ
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python"]


def build(folder: Path, *options: str) -> None:
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        "--outdir",
        str(folder),
        *options,
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True)


@dataclass(frozen=True)
class Built:
    """A release's two files, and the names in each, below what each has in front of all of them."""

    wheel: Path
    sdist: Path

    def in_wheel(self) -> set[str]:
        with zipfile.ZipFile(self.wheel) as wheel:
            return {name for name in wheel.namelist() if not name.endswith("/")}

    def in_sdist(self) -> set[str]:
        with tarfile.open(self.sdist) as sdist:
            return {name.partition("/")[2] for name in sdist.getnames()}

    def metadata(self) -> Message:
        with zipfile.ZipFile(self.wheel) as wheel:
            name = f"fashion_studio-{VERSION}.dist-info/METADATA"
            return BytesParser().parsebytes(wheel.read(name))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The source distribution, and the wheel that was built from it, as `make dist` makes them."""
    folder = tmp_path_factory.mktemp("dist")
    build(folder)
    wheel, sdist = sorted(folder.iterdir(), key=lambda path: path.suffix, reverse=True)
    return Built(wheel, sdist)


@pytest.fixture(scope="session")
def tracked() -> set[str]:
    """The files of the project, as git knows them."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("only git can tell a file of the project from a stray one")
    return {name for name in listed.stdout.split("\0") if (ROOT / name).is_file()}


def test_both_are_named_after_the_version(built: Built) -> None:
    assert built.wheel.name == f"fashion_studio-{VERSION}-py3-none-any.whl"
    assert built.sdist.name == f"fashion_studio-{VERSION}.tar.gz"


def test_the_wheel_holds_the_service_and_nothing_else(built: Built, tracked: set[str]) -> None:
    facts = {name for name in built.in_wheel() if ".dist-info/" in name}
    wanted = {name for name in tracked if name.startswith("service/")}
    wanted |= {f"service/{name}" for name in tracked if name.startswith("migrations/")}
    assert built.in_wheel() - facts == wanted
    for kind in (
        "bundles/*/weights.safetensors",
        "migrations/sql/*.sql",
        "web/static/*.js",
        "web/templates/*.html",
        "py.typed",  # says to type checkers that `service.client` is typed
    ):
        assert [name for name in wanted if Path(name).match(f"service/{kind}")], kind


def test_the_sdist_holds_every_file_of_the_project(built: Built, tracked: set[str]) -> None:
    assert built.in_sdist() == tracked | {"PKG-INFO"}


def test_the_sdist_makes_the_wheel_that_the_checkout_makes(built: Built, tmp_path: Path) -> None:
    build(tmp_path, "--wheel")
    assert (tmp_path / built.wheel.name).read_bytes() == built.wheel.read_bytes()


def test_the_wheel_says_what_it_is(built: Built) -> None:
    said = built.metadata()
    assert (said["Name"], said["Version"]) == ("fashion-studio", VERSION)
    assert said["License-Expression"] == "MIT AND Apache-2.0"
    notices = {"LICENSE", *(f"licences/{notice.name}" for notice in (ROOT / "licences").iterdir())}
    assert set(said.get_all("License-File", [])) == notices
    plain = [need for need in said.get_all("Requires-Dist", []) if "extra ==" not in need]
    locked = set(
        re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/serve.txt").read_text(), re.M)
    )
    names = {re.split(r"[^A-Za-z0-9-]", need)[0] for need in plain}
    assert names
    assert names <= locked


@dataclass(frozen=True)
class Installed:
    """The wheel in an environment of its own, used from an empty folder by somebody with an empty home."""

    environment: Path
    home: Path

    def variables(self) -> dict[str, str]:
        path = f"{self.environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.home), "LANG": "C.UTF-8"}

    def run(self, *command: str) -> str:
        """What a command prints; it ends with status 0."""
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(built: Built) -> Iterator[Installed]:
    # not in pytest's own folder, see `tests.conftest.server_url`
    folder = Path(tempfile.mkdtemp(prefix="fashion-studio-release-"))
    environment, home = folder / "environment", folder / "home"
    home.mkdir()
    try:
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True
        )
        pip = [*PIP, str(environment / "bin" / "python")]
        if LOCKED:
            lock = str(ROOT / "requirements" / "serve.txt")
            subprocess.run([*pip, "install", "--require-hashes", "-r", lock], check=True)
        else:
            packages = sysconfig.get_path("purelib", vars={"base": str(environment)})
            Path(packages, "lent.pth").write_text(sysconfig.get_path("purelib"))
        install = ["install", "--no-deps", "--no-index", "--force-reinstall", str(built.wheel)]
        subprocess.run([*pip, *install], check=True)
        yield Installed(environment, home)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(not LOCKED, reason="the lent packages are more than those of the lock file")
def test_the_lock_file_has_all_that_the_wheel_needs(installed: Installed) -> None:
    subprocess.run([*PIP, str(installed.environment / "bin" / "python"), "check"], check=True)


def test_the_command_is_the_wheels(installed: Installed) -> None:
    place = installed.run("python", "-c", "import service; print(service.__file__)")
    assert Path(place.strip()).is_relative_to(installed.environment)
    assert installed.run("fashion-studio", "--version") == f"fashion-studio, version {VERSION}\n"


def test_a_demo_is_made_asked_and_in_order(installed: Installed) -> None:
    made = json.loads(
        installed.run("fashion-studio", "demo", "--no-serve", "--garments", "30", "--json")
    )
    assert made["returned"] == len(made["matches"]) > 0
    found = json.loads(
        installed.run("fashion-studio", "similar", "--random", "--label", "any", "--json")
    )
    assert found["returned"] == found["requested"] == 9
    checks = json.loads(installed.run("fashion-studio", "doctor", "--json"))["checks"]
    assert [check for check in checks if not check["ok"]] == []


def test_the_pages_are_served(installed: Installed) -> None:
    port = free_port()
    command = [str(installed.environment / "bin" / "fashion-studio"), "serve", "--port", str(port)]
    with (installed.home / "log").open("w+") as log:
        process = subprocess.Popen(
            command, cwd=installed.home, env=installed.variables(), stdout=log, stderr=log
        )
        try:
            wait_until_ready(port, process)
            for path in ("/", "/static/find.js", "/docs", "/openapi.json", "/metrics"):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as page:
                    assert page.read(), path
        finally:
            process.terminate()
            assert process.wait(60) == 0, (installed.home / "log").read_text()
