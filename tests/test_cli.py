"""Every command as a user runs it: exit codes, one JSON document, one-line errors."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from PIL import Image as Pillow
from sqlalchemy import Engine

from service.cli import COMMANDS, main

from .conftest import _database

Run = subprocess.CompletedProcess


def run(*arguments: str | Path, **environment: str) -> Run:
    """Run the command in this process's environment, changed by `environment`."""
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *map(str, arguments)],
        env=os.environ | environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def called(*arguments: str) -> Run:
    """As `run`, in this process: another one takes a second to start."""
    out, said = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(said), pytest.raises(SystemExit) as end:
        main([*arguments])
    return Run(arguments, int(end.value.code or 0), out.getvalue(), said.getvalue())


def answer(*arguments: str | Path) -> dict:
    done = run(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_one_line(done: Run, code: int, words: str) -> None:
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.fixture
def catalog(
    environment: dict[str, str],
    administrator: Engine,
    ingested: str,
    drawn: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """The drawn garments, taken in; gives their folder."""
    for url in _database(administrator, ingested):
        monkeypatch.setenv("FASHION_STUDIO_DATABASE_URL", url)
        yield drawn


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = called(command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: fashion-studio {command}")


@pytest.mark.parametrize("command", ["keys", "models", "similar"])
def test_a_command_starts_without_what_only_others_use(command: str) -> None:
    code = (
        "import service.cli, sys; service.cli.fashion_studio.get_command(None, sys.argv[1])\n"
        "print(sorted(sys.modules.keys() & set(sys.argv[2:])))"
    )
    late = ("alembic", "fsspec", "openvino", "procrastinate", "rich", "scipy", "upath")
    done = subprocess.run(
        [sys.executable, "-c", code, command, *late], capture_output=True, text=True
    )
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("group", [(), ("models",), ("keys",)])
def test_a_group_alone_shows_its_commands(group: tuple[str, ...]) -> None:
    done = called(*group)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == called(*group, "--help").stdout


def test_similar_by_photo_id_and_random(catalog: Path, tmp_path: Path) -> None:
    photo = sorted(catalog.glob("images/*.jpg"))[0]
    sheet = tmp_path / "sheet.png"
    found = answer("similar", photo, "-n", "2", "--show", sheet)
    assert found["returned"] == len(found["matches"]) <= 2
    assert found["requested"] == 2
    assert found["method"] == "exact"
    assert set(found) == {
        "query", "matches", "searched_labels", "method", "requested", "returned", "model",
    }  # fmt: skip
    assert found["query"]["label"] == found["searched_labels"][0]
    with Pillow.open(sheet) as picture:
        assert min(picture.size) > 500
    done = called("similar", str(photo), "--among", "in_stock")
    assert_one_line(
        done,
        1,
        "No view or table among_in_stock has a column image_path. Make one, such as: CREATE",
    )
    everything = answer("similar", photo, "--label", "any", "-n", "33")
    assert str(photo) not in {match["image_path"] for match in everything["matches"]}
    assert everything["returned"] == 32
    garment = everything["matches"][0]["id"]
    by_id = answer("similar", "--id", str(garment))
    assert by_id["query"]["id"] == garment
    assert garment not in {match["id"] for match in by_id["matches"]}
    assert answer("similar", "--random")["matches"]


def test_what_is_no_photos_fault_is_said_once(catalog: Path) -> None:
    one, other = sorted(catalog.glob("images/*.jpg"))[:2]
    done = run("top", one, other, FASHION_STUDIO_PRECISION="int8")
    assert_one_line(done, 1, "has no int8 network on this machine")


def test_top_counts_a_folder(catalog: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "top.png"
    found = answer("top", catalog / "images", "-k", "3", "--show", sheet)
    labels = [image["label"] for image in found["images"]]
    assert len(labels) == 33
    assert len(found["top"]) <= 3
    for line in found["top"]:
        assert line["count"] == labels.count(line["label"])
        assert line["share"] == pytest.approx(line["count"] / 33, abs=1e-6)
    assert sheet.exists()


def test_classify_names_what_it_cannot_read(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("hello")
    photo = next(catalog.glob("images/*.jpg"))
    done = run("classify", photo, tmp_path / "text.jpg", "--json")
    assert done.returncode == 1
    good, bad = json.loads(done.stdout)["images"]
    assert set(good) == {"path", "label", "confidence", "recognised", "labels"}
    assert bad == {"path": str(tmp_path / "text.jpg"), "error": "The bytes are not an image."}
    named = f"{'a' * 300}.jpg"
    good, bad = json.loads(run("classify", photo, named, "--json").stdout)["images"]
    assert "label" in good
    assert bad == {"path": named, "error": f"{named} cannot be read: File name too long."}


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["similar"], 2, "Give one of PATH, --id N and --random."),
        (["similar", "--random", "-n", "0"], 2, "n is 0; it must be from 1 to 100."),
        (["similar", "--random", "-n", "many"], 2, "many"),
        (["similar", "--random", "--label", "Sock"], 1, "'Sock' is none of the labels: Blazer,"),
        (["similar", "--id", "999999"], 1, "999999"),
        (["similar", "/no/such.jpg"], 1, "/no/such.jpg cannot be read"),
        (["top", "-k", str(2**63), "a.jpg"], 2, "it must be from 1 to 1,000,000,000"),
        (["evaluate", "bundle", "--group", "photographer"], 2, "--group belongs to --data."),
        (["evaluate", "bundle", "--all"], 2, "--all belongs to --data."),
        (["similar", "--nonsense"], 2, "--nonsense"),
        (["ingest", "/no/such"], 1, "/no/such does not exist"),
        (["migrate", "--to", "nonsense"], 2, "nonsense"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_failures_are_one_line(catalog: Path, arguments: list[str], code: int, words: str) -> None:
    assert_one_line(run(*arguments), code, words)


def test_an_empty_catalog_is_said(environment: dict[str, str], drawn: Path) -> None:
    assert_one_line(run("similar", "--random"), 1, "The catalog is empty.")
    photo = next(drawn.glob("images/*.jpg"))
    assert_one_line(run("similar", photo), 1, "The catalog is empty.")


def test_a_database_that_is_down_is_said() -> None:
    url = "postgresql+psycopg://someone:secret@127.0.0.1:1/nothing"
    done = run("similar", "--random", FASHION_STUDIO_DATABASE_URL=url)
    assert_one_line(done, 1, "127.0.0.1")
    assert "secret" not in done.stderr


def test_a_database_without_schema_names_the_command(empty_database_url: str) -> None:
    done = run("similar", "--random", FASHION_STUDIO_DATABASE_URL=empty_database_url)
    assert_one_line(done, 1, "fashion-studio migrate")


def test_migrate_down_and_up(environment: dict[str, str]) -> None:
    assert answer("migrate", "--to", "base") == {"revision": "base"}
    assert answer("migrate")["revision"] not in ("base", None)


def test_without_a_switch_none_is_cancelled(environment: dict[str, str]) -> None:
    assert answer("models", "cancel") == {"cancelled": False}


def test_a_key_is_shown_once_listed_and_revoked(environment: dict[str, str]) -> None:
    made = run("keys", "create", "--name", "shop", "--scope", "write", "--scope", "read")
    secret = made.stdout.strip()
    assert secret.startswith("fs_")
    assert len(secret) > 40
    again = run("keys", "create", "--name", "shop", "--scope", "read")
    assert_one_line(again, 1, "already")
    other = answer("keys", "create", "--name", "other", "--scope", "admin")
    assert other["key"].startswith("fs_")
    listed = run("keys", "list")
    assert secret not in listed.stdout
    assert "read,write" in listed.stdout
    assert run("keys", "revoke", "shop").returncode == 0
    assert_one_line(run("keys", "revoke", "shop"), 1, "no valid key")
    assert answer("keys", "create", "--name", "shop", "--scope", "read")["scopes"] == ["read"]
    states = [(key["name"], key["revoked_at"] is None) for key in answer("keys", "list")["keys"]]
    assert states == [("shop", False), ("other", True), ("shop", True)]


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "--name", "shop"),
        ("create", "--name", "shop", "--scope", "all"),
        ("create", "--scope", "read"),
        ("create", "--name", " ", "--scope", "read"),
        ("create", "--name", "a\nb", "--scope", "read"),
        ("revoke",),
    ],
)
def test_a_key_that_cannot_be_made(environment: dict[str, str], arguments: tuple[str, ...]) -> None:
    done = called("keys", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fashion-studio: ")


def test_doctor_finds_nothing_and_then_something(
    catalog: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    checks = answer("doctor")["checks"]
    assert [c["check"] for c in checks if not c["ok"]] == []
    details = {check["check"]: check["detail"] for check in checks}
    assert "33 garments" in details["catalog"]
    assert details["indexes"] == "0 valid, none due"
    assert details["server"].startswith("Postgres 18.")
    assert "pgvector 0." in details["server"]
    assert details["disk"] == "room enough"
    done = run("doctor", FASHION_STUDIO_MODEL=str(tmp_path))
    assert done.returncode == 1
    assert "FAIL  model: " in done.stdout


def test_a_home_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = run("similar", "--random", FASHION_STUDIO_HOME=str(tmp_path / "file"))
    assert_one_line(done, 1, "Set FASHION_STUDIO_HOME to a folder that can be written.")


@pytest.mark.parametrize(("name", "value"), [("RUNTIME", "abacus"), ("RATE_LIMIT", "0/minute")])
def test_a_senseless_setting_is_said(name: str, value: str) -> None:
    done = run("similar", "--random", **{f"FASHION_STUDIO_{name}": value})
    assert_one_line(done, 1, f"FASHION_STUDIO_{name}='{value}'")


def test_real_photos_by_the_command_alone(
    environment: dict[str, str], real_photos: Path, tmp_path: Path
) -> None:
    table = tmp_path / "some.csv"
    lines = (real_photos / "garments.csv").read_text().splitlines()
    table.write_text("\n".join(lines[:201]) + "\n")
    assert answer("ingest", table, "--image-root", real_photos)["added"] == 200
    photo = real_photos / lines[1].split(",")[0]
    found = answer("similar", photo, "-n", "9")
    assert {match["label"] for match in found["matches"]} == set(found["searched_labels"])


@pytest.mark.parametrize("encoding", ["utf-8:strict", "latin-1"])
def test_a_name_that_is_no_text_ends_no_answer(
    catalog: Path, tmp_path: Path, encoding: str
) -> None:
    photo = tmp_path / os.fsdecode(b"\xff.jpg")
    photo.write_bytes(next(catalog.glob("images/*.jpg")).read_bytes())
    done = run("similar", photo, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert "More like" in done.stdout
