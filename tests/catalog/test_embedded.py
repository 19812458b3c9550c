"""The embedded server: many processes, sudden deaths, awkward paths."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from service.catalog import start_embedded
from service.errors import DatabaseUnavailable

ROOT = Path(__file__).resolve().parents[2]

USE = """
import sys, time
from pathlib import Path
from sqlalchemy import text
from service.catalog import open_engine, start_embedded

engine = open_engine(start_embedded(Path(sys.argv[1])))
with engine.begin() as connection:
    connection.execute(text("SELECT pg_advisory_xact_lock(1)"))
    connection.execute(text("CREATE TABLE IF NOT EXISTS visit (pid integer)"))
    connection.execute(text("INSERT INTO visit VALUES (pg_backend_pid())"))
    visits = connection.scalar(text("SELECT count(*) FROM visit"))
engine.dispose()
print(visits, flush=True)
time.sleep(float(sys.argv[2]))
"""


latest: dict[Path, int] = {}  # the last visit's number


def use(folder, seconds=0.0):
    """A process that uses the server, then lives on for `seconds`; its output is its visit."""
    return subprocess.Popen(
        [sys.executable, "-c", USE, str(folder), str(seconds)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def visit(folder) -> int:
    """How many visits there were, this one included; the process says nothing else."""
    said, complaints = use(folder).communicate(timeout=60)
    assert complaints == ""
    latest[folder] = int(said)
    return int(said)


def servers(folder) -> list[psutil.Process]:
    """The running servers at or below a folder, without their sessions."""
    found = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = process.cmdline()
            if "-D" in command and command[command.index("-D") + 1].startswith(str(folder)):
                found[process.pid] = process, process.ppid()
    # a session looks like its server until it has set its title
    return [process for process, parent in found.values() if parent not in found]


def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def kill(process):
    process.kill()
    process.communicate()


@contextmanager
def open_folder():
    """A folder that Postgres's system user can enter; see `server_url`."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)
        for process in servers(folder):
            process.kill()
            process.wait(10)


@pytest.fixture
def new_folder():
    """Where no cluster is yet."""
    with open_folder() as parent:
        yield parent / "postgres"


@pytest.fixture(scope="module")
def folder():
    """A cluster that all tests of this module share; each leaves it stopped."""
    with open_folder() as parent:
        visit(parent / "postgres")
        yield parent / "postgres"


@pytest.fixture
def visits(folder):
    """How many visits there were before the test."""
    assert servers(folder) == []
    return latest[folder]


@pytest.fixture
def copied(new_folder, folder, visits):
    """A cluster of the test's own, stopped and with as many visits; initdb would take seconds."""
    subprocess.run(["cp", "-a", folder, new_folder], check=True)
    return new_folder


def test_it_stops_with_its_last_process_and_keeps_its_data(folder, visits):
    assert servers(folder) == []
    assert visit(folder) == visits + 1


@pytest.mark.parametrize("name", ["Application Support/it's 100%", "größe" * 20])
def test_awkward_paths_work(new_folder, name):
    """macOS's data folder has a space; a socket's path may have no more than about 100 bytes."""
    folder = new_folder / name / "postgres"
    assert visit(folder) == 1
    assert servers(folder) == []


def test_processes_that_create_it_at_once_share_it(new_folder):
    processes = [use(new_folder, 1) for _ in range(3)]
    assert sorted(int(process.communicate(timeout=60)[0]) for process in processes) == [1, 2, 3]
    assert servers(new_folder) == []


@pytest.mark.parametrize("sign", ["postgres.new-*/PG_VERSION", "postgres/PG_VERSION"])
def test_a_process_killed_while_it_creates_leaves_a_folder_that_can_be_used(new_folder, sign):
    """Killed in the midst of initdb, and just before the first start."""
    process = use(new_folder, 60)
    wait_for(lambda: list(new_folder.parent.glob(sign)))
    kill(process)
    assert visit(new_folder) == 1
    assert visit(new_folder) == 2
    assert list(new_folder.parent.glob("postgres.new-*")) == []


def test_a_killed_process_does_not_keep_the_server_running(folder, visits):
    process = use(folder, 60)
    process.stdout.readline()
    kill(process)
    assert len(servers(folder)) == 1
    assert visit(folder) == visits + 2
    assert servers(folder) == []


def test_a_killed_server_recovers(folder, visits):
    process = use(folder, 60)
    process.stdout.readline()
    for server in servers(folder):
        server.kill()
    kill(process)
    assert visit(folder) == visits + 2


def test_process_ids_that_other_programs_have_by_now_are_no_server(folder, visits):
    """As after a restart of the machine, when the lock files name whoever has the number now."""
    lines = [str(os.getpid()), str(folder), "1700000000", "5432", str(folder), "", "1 2", "ready"]
    (folder / "postmaster.pid").write_text("\n".join(lines) + "\n")
    (folder / ".s.PGSQL.5432.lock").write_text("\n".join(lines[:5]) + "\n")
    assert visit(folder) == visits + 1


@pytest.mark.parametrize("left", ["", "999\n/tmp\n"])
def test_files_that_were_half_written_are_no_obstacle(folder, visits, left):
    (folder / ".handle_pids.json").write_text("[12, ")
    (folder / "postmaster.pid").write_text(left)
    assert visit(folder) == visits + 1


def test_a_server_that_stopped_is_started_again(copied):
    start_embedded(copied)
    (server,) = servers(copied)
    server.send_signal(signal.SIGINT)
    server.wait(10)
    assert start_embedded(copied).startswith("postgresql+psycopg://")
    assert len(servers(copied)) == 1


@pytest.mark.parametrize("how", ["stopped", "killed", "running"])
def test_a_folder_that_was_moved_keeps_its_data(copied, visits, how):
    """Not while its server runs: a second one on the same files would destroy them."""
    process = use(copied, 60)
    assert process.stdout.readline() == f"{visits + 1}\n"
    if how == "stopped":
        process.send_signal(signal.SIGINT)
        process.wait(30)
    else:
        for server in servers(copied) if how == "killed" else ():
            server.kill()
        kill(process)
    moved = copied.rename(copied.with_name("moved"))
    if how == "running":
        with pytest.raises(DatabaseUnavailable, match="still in use"):
            start_embedded(moved)
        (server,) = servers(copied)
        server.send_signal(signal.SIGINT)
        server.wait(30)
    assert visit(moved) == visits + 2


def test_its_cache_is_a_part_of_the_memory(engine):
    with engine.connect() as connection:
        cache = connection.scalar(text("SELECT pg_size_bytes(current_setting('shared_buffers'))"))
    memory = psutil.virtual_memory().total
    assert cache == min(max(memory // 8 // 2**20, 128), 2048) * 2**20


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DatabaseUnavailable, match="holds other files") as refusal:
        start_embedded(tmp_path)
    assert "\n" not in str(refusal.value)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_damaged_cluster_gives_one_line_with_postgres_own_words(folder, visits):
    configuration = folder / "postgresql.conf"
    sound = configuration.read_text()
    configuration.write_text("shared_buffers = lots\n")
    with pytest.raises(DatabaseUnavailable, match="configuration file") as refusal:
        start_embedded(folder)
    assert "\n" not in str(refusal.value)
    configuration.write_text(sound)
    assert visit(folder) == visits + 1


def test_a_cluster_of_an_unknown_version_is_named(new_folder):
    new_folder.mkdir()
    (new_folder / "PG_VERSION").write_text("12\n")
    with pytest.raises(DatabaseUnavailable, match=r"Postgres 12, .* `fashion-studio backup`"):
        start_embedded(new_folder)


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX")
def test_a_folder_that_cannot_be_written_is_named(new_folder):
    """In a process without root's privileges, where the tests run as root."""
    new_folder.parent.chmod(0o755)
    closed = new_folder.parent / "closed"
    closed.mkdir(0o555)
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[2]);"
        "from pathlib import Path; from service.catalog import start_embedded;"
        "from service.errors import HomeNotWritable\n"
        "os.getuid() == 0 and os.setuid(65534)\n"
        "try: start_embedded(Path(sys.argv[1]))\n"
        "except HomeNotWritable as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(closed / "postgres"), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "FASHION_STUDIO_HOME" in done.stdout, done.stderr
    assert str(closed) in done.stdout


def test_a_home_that_postgres_16_made_opens_again(new_folder):
    made_by_16 = (
        "from service.catalog.database import embedded\nembedded.TARGET_POSTGRES_VERSION = 16\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", made_by_16 + USE, str(new_folder), "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "1\n", done.stderr
    assert (new_folder / "PG_VERSION").read_text().strip() == "16"
    assert visit(new_folder) == 2
    assert (new_folder / "PG_VERSION").read_text().strip() == "16"
    assert servers(new_folder) == []
