"""The real parts that tests run on: Postgres, the shipped model, drawn garments, real photos.

One embedded server, one migrated template, and a clone of it for each test.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from fasteners import InterProcessLock
from s3fs import S3FileSystem
from sqlalchemy import Engine, make_url, text

from service.catalog import migrate, open_engine, start_embedded
from service.collection import Recipe, draw_collection
from service.encoder import Encoder, load_encoder
from service.encoder.keras import import_keras
from service.errors import BundleInvalid
from service.ingest import ingest
from service.settings import Settings
from service.studio import Studio
from tests.store import VARIABLES, ObjectStore, object_store

REAL_PHOTOS = Path(__file__).parents[2] / "shared" / "photos"

# What a shell runs in the background ignores Ctrl-C, and so would every process that a test interrupts
signal.signal(signal.SIGINT, signal.default_int_handler)

# Each process that a test starts would compile the whole package anew
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

TEMPLATE = "template_catalog"
numbers = count(1)

TESTS = Path(__file__).parent
LONGEST = {  # files of half a minute and more, the longest first
    TESTS / name: place
    for place, name in enumerate(
        (
            "test_training_backends.py",
            "test_training_learnt.py",
            "web/test_faults.py",
            "web/switch/test_meanwhile.py",
            "test_cluster.py",
            "test_training.py",
            "test_cli.py",
            "test_release.py",
            "test_training_stopped.py",
            "web/switch/test_under_load.py",
            "docs/test_tutorial.py",
            "test_jobs.py",
            "backup/test_round_trip.py",
            "test_results.py",
            "web/test_pooler.py",
            "test_adopt.py",
            "web/switch/test_refused.py",
            "web/test_replicas.py",
            "web/test_load.py",
            "catalog/test_embedded.py",
            "web/test_schemathesis.py",
            "features/test_commands.py",
            "test_benchmarks.py",
            "test_evaluate.py",
            "test_training_parts.py",
            "test_index_command.py",
            "test_calibration.py",
            "test_quantize.py",
        )
    )
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, and of the others those of most tests: a long file that is begun
    last keeps one process busy while the others wait.

    With pytest-xdist it takes --no-loadscope-reorder: it counts tests alone, and long files have few.
    """
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (LONGEST.get(item.path, len(LONGEST)), -tests[item.path]))


@pytest.fixture(scope="session")
def server_url() -> str:
    """The embedded server of this test run; the database is `postgres`, and empty.

    FASHION_STUDIO_TEST_SERVER names another one, with pgvector, by a superuser's URL: how tests run on
    the versions of Postgres that are not embedded. It is for one process of tests at a time.

    Not in pytest's own folder: each start of pytest closes that to others, so also to the system
    user that Postgres runs as where root runs the tests.
    """
    if url := os.environ.get("FASHION_STUDIO_TEST_SERVER"):
        return url
    folder = Path(tempfile.mkdtemp(prefix="fashion-studio-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # runs after the server has stopped
    return start_embedded(folder / "postgres")


@pytest.fixture(scope="session")
def administrator(server_url: str) -> Iterator[Engine]:
    """For statements that a transaction cannot hold, such as CREATE DATABASE."""
    engine = open_engine(server_url).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for setting in ("fsync = off", "synchronous_commit = off", "full_page_writes = off"):
            connection.execute(text(f"ALTER SYSTEM SET {setting}"))
        connection.execute(text("SELECT pg_reload_conf()"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def template(administrator: Engine) -> str:
    """A database that the real migrations made."""
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {TEMPLATE}"))  # of a run before
        connection.execute(text(f"CREATE DATABASE {TEMPLATE}"))
    engine = open_engine(_url(administrator, TEMPLATE))
    migrate(engine)
    engine.dispose()
    return TEMPLATE


@pytest.fixture
def database_url(administrator: Engine, template: str) -> Iterator[str]:
    """A migrated database of the test's own, without a model."""
    yield from _database(administrator, template)


@pytest.fixture
def empty_database_url(administrator: Engine) -> Iterator[str]:
    """A database that was never migrated."""
    yield from _database(administrator, "template1")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on `database_url`."""
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all processes of the test run."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """A data folder of this process; models are converted once for all of them."""
    home = tmp_path_factory.mktemp("home")
    (shared / "models").mkdir(exist_ok=True)
    (home / "models").symlink_to(shared / "models")
    return home


@pytest.fixture(scope="session")
def drawn(shared: Path) -> Iterator[Path]:
    """A folder with 33 drawn garments, three of each category, and their garments.csv.

    All tests share it: they leave it alone.
    """
    folder = shared / "drawn"
    with InterProcessLock(shared / "drawn.lock"):  # who comes second finds it drawn
        draw_collection(folder, Recipe(garments=33, size=160))
    made = sorted(folder.rglob("*.jpg"))
    yield folder
    assert sorted(folder.rglob("*.jpg")) == made, "a test left a picture among the drawn garments"


@pytest.fixture(scope="session")
def encoder(home: Path) -> Encoder:
    """The network, loaded once for all tests."""
    try:
        return load_encoder(Settings(home=home))
    except BundleInvalid as error:
        pytest.skip(f"no model: {error}")


@pytest.fixture(scope="session")
def ingested(
    administrator: Engine, template: str, home: Path, encoder: Encoder, drawn: Path
) -> Iterator[str]:
    """The name of a database that the drawn garments were taken into, to be copied."""
    for url in _database(administrator, template):
        with Studio(Settings(home=home, database_url=url)) as studio:
            studio.model._encoder = encoder
            assert ingest(studio, drawn / "garments.csv").added == 33
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def real_photos() -> Path:
    """The folder of real photos beside the checkout; tests of it are skipped where it is missing."""
    if not (REAL_PHOTOS / "garments.csv").exists():
        pytest.skip(f"no real photos at {REAL_PHOTOS}")
    return REAL_PHOTOS


@pytest.fixture(scope="session")
def keras() -> Any:
    """Keras on TensorFlow, which takes seconds to import."""
    return import_keras("tensorflow")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """An S3 server with the bucket `shop`, to which the environment's S3 leads."""
    with object_store() as store:
        for name, value in {**VARIABLES, "AWS_ENDPOINT_URL": store.url}.items():
            monkeypatch.setenv(name, value)
        S3FileSystem.clear_instance_cache()  # clients of other tests' servers
        yield store


@pytest.fixture
def settings(home: Path, database_url: str) -> Settings:
    """The shipped model on a database of the test's own."""
    return Settings(home=home, database_url=database_url)


@pytest.fixture
def studio(settings: Settings, encoder: Encoder) -> Iterator[Studio]:
    """A studio with an empty catalog."""
    with Studio(settings) as studio:
        if settings.model == Settings().model:  # a test may have another bundle
            studio.model._encoder = encoder
        yield studio


@pytest.fixture
def environment(
    home: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The same settings as environment variables, for this process and those it starts."""
    variables = {"FASHION_STUDIO_HOME": str(home), "FASHION_STUDIO_DATABASE_URL": database_url}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def _database(administrator: Engine, template: str) -> Iterator[str]:
    name = f"test_{next(numbers)}"
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        # FILE_COPY is the faster way without fsync; WAL_LOG, the default, writes every page twice
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    yield _url(administrator, name)
    with administrator.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def _url(administrator: Engine, database: str) -> str:
    return make_url(administrator.url).set(database=database).render_as_string(hide_password=False)
