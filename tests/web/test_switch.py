"""A new model without downtime, with real bundles: asked for, killed, gone on with, refused, undone."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from service import curate, recommend
from service.catalog import (
    Loader,
    Row,
    cancel_switch,
    category_names,
    count_by_label,
    garment_by_id,
    last_switch,
    only_switcher,
    start_switch,
    unread_of,
)
from service.encoder import Encoder, load_encoder
from service.encoder.bundle import SHIPPED
from service.errors import (
    BundleMismatch,
    FashionStudioError,
    ModelNotFound,
    SwitchCancelled,
    SwitchRefused,
)
from service.ingest import ingest
from service.jobs import request_switch
from service.model import Model
from service.recommend import Query
from service.settings import Settings
from service.studio import Studio
from service.switch import Options, drop_model, model_of, prepare, work_on

from ..bundles import write_variant
from .serving import Server, multipart, ready_server, wait_for

CLI = [sys.executable, "-m", "service.cli"]
PHOTOS = 33
NEAR = 2e-3  # between similarities of one model; two models differ by much more


@pytest.fixture(scope="session")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose embeddings are others."""
    folder = tmp_path_factory.mktemp("bundles") / "noisy"
    write_variant(folder, "noisy", noise=0.3)
    return folder


@pytest.fixture
def root(drawn: Path, tmp_path: Path) -> Path:
    """Photos of the test's own."""
    return Path(shutil.copytree(drawn, tmp_path / "photos"))


@pytest.fixture
def settings(settings: Settings, root: Path, tmp_path: Path, home: Path) -> Settings:
    """A home of the test's own, where converted networks are those of all tests."""
    own = tmp_path / "home"
    own.mkdir()
    (home / "models").mkdir(exist_ok=True)
    (own / "models").symlink_to(home / "models")
    return settings.model_copy(update={"image_root": str(root), "home": own})


@pytest.fixture
def studio(studio: Studio, rows: list[Row]) -> Studio:
    Loader(studio.engine, studio.model_id).write(rows)
    return studio


def switch(studio: Studio, target: Path | str, **options: Any) -> Any:
    record = prepare(studio, str(target))
    with only_switcher(studio.engine):
        begun = start_switch(studio.engine, record.id, Options(**options).as_dict())
        found = work_on(studio, begun)
    studio.follow()
    return found


def photo(root: Path, number: int) -> bytes:
    return sorted((root / "images").glob("*.jpg"))[number].read_bytes()


def ask(studio: Studio, data: bytes) -> Any:
    model = studio.model
    return recommend.similar_to_photo(studio, model.decode(data), Query(n=3, label="any"), model)


def test_a_bundle_with_other_embeddings_takes_over_and_back(
    studio: Studio, root: Path, noisy: Path
) -> None:
    before = ask(studio, photo(root, 0))
    found = switch(studio, noisy, margin=1)
    assert found.figures["accuracy"]["given_labels"] == PHOTOS
    assert found.figures["garments"] == PHOTOS
    assert 0 < found.figures["neighbours"]["overlap_at_10"]["mean"] < 1
    after = ask(studio, photo(root, 0))
    assert (before.model, after.model) == ("lite0-fashion@2", "noisy@2")
    assert garment_by_id(studio.engine, 1).model == "noisy@2"
    began = time.monotonic()
    assert switch(studio, "previous") is None
    assert time.monotonic() - began < 20, "nothing had to be embedded"
    assert ask(studio, photo(root, 0)) == before
    drop_model(studio, model_of(studio, "noisy@2"))
    with pytest.raises(ModelNotFound):
        model_of(studio, "previous")
    with pytest.raises(FashionStudioError, match="serves"):
        drop_model(studio, model_of(studio, "lite0-fashion@2"))


def test_a_worse_bundle_is_refused_unless_forced(studio: Studio, tmp_path: Path) -> None:
    write_variant(tmp_path / "deaf", "deaf", deaf=True)
    with pytest.raises(SwitchRefused, match=r"given labels rightly.*--force"):
        switch(studio, tmp_path / "deaf")
    record = last_switch(studio.engine)
    assert record is not None
    assert record.state == "refused"
    assert record.report is not None
    assert record.report["accuracy"]["new"]["share"] < record.report["accuracy"]["old"]["share"]
    assert studio.follow().card.name == "lite0-fashion"
    switch(studio, tmp_path / "deaf", force=True)
    assert studio.model.card.name == "deaf"


def test_another_label_set_keeps_given_labels_and_renames_predicted_ones(
    studio: Studio, root: Path, tmp_path: Path
) -> None:
    labels = studio.model.card.labels
    seen = studio.model.predict(studio.model.decode(photo(root, 0)))
    gone = seen.label
    (root / "again.jpg").write_bytes(photo(root, 0))
    ingest(studio, _table(root, "again.jpg"))
    write_variant(tmp_path / "renamed", "renamed", renamed={gone: "Playsuit"})
    switch(studio, tmp_path / "renamed", margin=1)
    assert category_names(studio.engine)[: len(labels)] == [
        "Playsuit" if label == gone else label for label in labels
    ]
    with studio.engine.connect() as connection:
        predicted = connection.scalar(
            text("SELECT label FROM garment WHERE image_path = 'again.jpg'")
        )
    assert predicted == "Playsuit"
    counts = {count.label: count.count for count in count_by_label(studio.engine)}
    assert counts[gone] == 3, "given labels stay"
    assert gone in studio.model.labels
    answer = recommend.similar_to_garment(
        studio, garment_by_id(studio.engine, 1), Query(n=9, label=gone)
    )
    assert {match.label for match in answer.matches} == {gone}


def _table(root: Path, *names: str) -> Path:
    table = root / "more.csv"
    table.write_text("image_name\n" + "".join(f"{name}\n" for name in names))
    return table


def test_photos_that_are_gone_or_others_are_named_and_decided_upon(
    studio: Studio, root: Path, noisy: Path
) -> None:
    first, second = (garment_by_id(studio.engine, number).image_path for number in (1, 2))
    (root / first).unlink()
    (root / second).write_bytes(photo(root, 9))
    with pytest.raises(SwitchRefused, match=r"2 garments cannot be read.*--forget-unreadable"):
        switch(studio, noisy, margin=1)
    unread = unread_of(studio.engine, model_of(studio, "noisy@2").id)
    assert [garment.image_path for garment in unread] == [first, second]
    assert "another one than was taken in" in unread[1].reason
    switch(studio, noisy, margin=1, forget_unreadable=True)
    assert sum(count.count for count in count_by_label(studio.engine)) == PHOTOS - 2


def test_a_wrong_image_root_never_empties_a_catalog(
    studio: Studio, root: Path, noisy: Path
) -> None:
    shutil.rmtree(root / "images")
    with pytest.raises(SwitchRefused, match="IMAGE_ROOT"):
        switch(studio, noisy, forget_unreadable=True, force=True)
    assert sum(count.count for count in count_by_label(studio.engine)) == PHOTOS


def test_a_switch_is_cancelled_behind_its_batch_and_goes_on_later(
    studio: Studio, noisy: Path
) -> None:
    record = prepare(studio, str(noisy))
    shown: list[int] = []

    def stop(stage: str, done: int, total: int) -> None:
        shown.append(done)
        if done:
            cancel_switch(studio.engine)

    with only_switcher(studio.engine):
        begun = start_switch(studio.engine, record.id, Options(rate=2).as_dict())
        with pytest.raises(SwitchCancelled):
            work_on(studio, begun, progress=stop)
    assert last_switch(studio.engine).state == "cancelled"  # type: ignore[union-attr]
    assert 0 < max(shown) < PHOTOS
    with only_switcher(studio.engine):
        begun = start_switch(studio.engine, record.id, Options(margin=1).as_dict())
        totals: list[int] = []
        work_on(studio, begun, progress=lambda stage, done, total: totals.append(total))
    assert 0 < totals[0] < PHOTOS, "what was embedded before is not again"


def test_a_worker_does_a_queued_switch(studio: Studio, settings: Settings, noisy: Path) -> None:
    record = prepare(studio, str(noisy))
    queued = request_switch(studio, record, Options(margin=1))
    assert "waits for a worker" in queued.as_line()
    done = subprocess.run(
        [*CLI, "worker", "--once"],
        env=environment_of(settings),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = last_switch(studio.engine)
    assert found is not None
    assert (found.state, found.model) == ("done", "noisy@2")
    assert studio.follow().card.name == "noisy"
    listed = subprocess.run(
        [*CLI, "models", "list", "--json"],
        env=environment_of(settings),
        capture_output=True,
        text=True,
        check=True,
    )
    states = {model["model"]: model["state"] for model in json.loads(listed.stdout)["models"]}
    assert states == {"lite0-fashion@2": "kept", "noisy@2": "serving"}


def environment_of(settings: Settings) -> dict[str, str]:
    return os.environ | {
        "FASHION_STUDIO_HOME": str(settings.home),
        "FASHION_STUDIO_DATABASE_URL": str(settings.database_url),
        "FASHION_STUDIO_IMAGE_ROOT": str(settings.image_root),
    }


def test_an_ingest_and_a_garment_that_a_switch_overtakes_are_the_new_models(
    studio: Studio, settings: Settings, root: Path, noisy: Path
) -> None:
    with Studio(settings) as other:
        switch(other, noisy, margin=1)
    late = studio._model  # as it was: this process has not looked since
    assert late.card.name == "lite0-fashion"
    studio._look_again = time.monotonic() + 3600
    garment, new = curate.add_garment(studio, photo(root, 3), image_path="late.jpg")
    assert (garment.model, new) == ("noisy@2", True)
    with Studio(settings) as other:
        switch(other, "previous")
    (root / "later.jpg").write_bytes(photo(root, 4))
    summary = ingest(studio, _table(root, "later.jpg"))
    assert (summary.added, summary.rejects) == (1, [])
    with studio.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(DISTINCT model_id) FROM garment")) == 1


def test_the_catalog_decides_which_bundle_answers(
    studio: Studio, settings: Settings, noisy: Path, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    write_variant(stranger, "stranger", noise=0.1)
    with pytest.raises(BundleMismatch, match="models use"):
        Studio(settings.model_copy(update={"model": stranger}))
    moving = Path(shutil.copytree(noisy, tmp_path / "moving"))
    switch(studio, moving, margin=1)
    shutil.rmtree(moving)  # what was kept of it is enough
    with Studio(settings) as other:
        assert other.model.card.name == "noisy"
        assert other.warnings == []
    with Studio(settings.model_copy(update={"model": SHIPPED})) as other:
        assert other.model.card.name == "noisy"
        assert "the catalog's model is noisy@2" in other.warnings[0]
    shutil.rmtree(settings.home / "bundles")
    with pytest.raises(BundleMismatch, match="not on this machine"):
        Studio(settings)
    with Studio(settings.model_copy(update={"model": noisy})) as other:
        assert other.model.card.name == "noisy"


class Truth:
    """What each model says of each photo and garment, computed with numpy."""

    def __init__(self, settings: Settings, encoders: dict[str, Any], photos: list[bytes]) -> None:
        self.cosines = {}
        for title, encoder in encoders.items():
            model = Model(settings, 0, Path(), encoder.card, encoder.card.labels)
            model._encoder = encoder
            seen = np.stack([model.predict(model.decode(data)).embedding for data in photos])
            unit = seen / np.linalg.norm(seen, axis=1, keepdims=True)
            self.cosines[title] = unit @ unit.T

    def agrees(self, query: int, answer: dict[str, Any]) -> bool:
        """Whether the matches are this model's nearest to the garment of this number from 0."""
        row = self.cosines[answer["model"]][query]
        nearest = np.sort(np.delete(row, query))[::-1][: len(answer["matches"])]
        found = [match["similarity"] for match in answer["matches"]]
        true = [row[match["id"] - 1] for match in answer["matches"]]
        return bool(
            len(found) == 5
            and np.allclose(found, true, atol=NEAR)
            and np.allclose(found, nearest, atol=NEAR)
        )


class Asking:
    """Clients that ask a server without a pause, each answer checked."""

    def __init__(self, server: Server, truth: Truth, photos: list[bytes]) -> None:
        self.answers: Counter[Any] = Counter()
        self.wrong: list[Any] = []
        self._stop = threading.Event()
        self._server, self._truth, self._photos = server, truth, photos
        self._threads = [threading.Thread(target=self._ask, args=(turn,)) for turn in range(3)]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, turn: int) -> None:
        number = turn
        while not self._stop.is_set():
            number = (number + 7) % PHOTOS
            status, answer, _ = (
                self._server.ask("GET", f"/api/v1/garments/{number + 1}/similar?label=any&n=5")
                if number % 2
                else self._server.ask(
                    "POST", "/api/v1/similar?label=any&n=5", multipart(self._photos[number])
                )
            )
            if status != 200 or not self._truth.agrees(number, answer):
                self.wrong.append((status, number, answer))
            self.answers[answer.get("model")] += 1


@pytest.mark.timeout(600)
def test_under_load_every_answer_is_right_for_the_model_it_names(
    studio: Studio,
    settings: Settings,
    rows: list[Row],
    root: Path,
    noisy: Path,
    encoder: Encoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through a run that is killed, one that takes over, the way back, and a drop."""
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    paths = sorted(row.image_path for row in rows)  # in which order they were given their ids
    photos = [(root / path).read_bytes() for path in paths]
    other = load_encoder(settings, noisy)
    truth = Truth(settings, {encoder.card.title: encoder, other.card.title: other}, photos)
    assert np.abs(truth.cosines["noisy@2"] - truth.cosines["lite0-fashion@2"]).max() > 10 * NEAR

    def use() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*CLI, "models", "use", str(noisy), "--rate", "4", "--margin", "1", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def embedded() -> int:
        found = last_switch(studio.engine)
        return 0 if found is None else found.done

    with ready_server("--no-worker") as server, Asking(server, truth, photos) as asking:
        killed = use()
        wait_for(lambda: embedded() > 0)
        _, state, _ = server.ask("GET", "/readyz")
        assert "noisy@2 is embedding" in state["warnings"][0]
        assert (
            'fashion_studio_model{model="lite0-fashion@2"} 1.0' in server.ask("GET", "/metrics")[1]
        )
        killed.kill()
        killed.communicate()
        out, error = (resumed := use()).communicate(timeout=300)
        assert resumed.returncode == 0, error
        assert json.loads(out)["report"]["garments"] == PHOTOS
        wait_for(lambda: asking.answers["noisy@2"] > 20)
        answered = asking.answers["lite0-fashion@2"]
        studio.follow()
        switch(studio, "previous")
        wait_for(lambda: asking.answers["lite0-fashion@2"] > answered + 20)
        drop_model(studio, model_of(studio, "noisy@2"))
        answered = asking.answers["lite0-fashion@2"]
        wait_for(lambda: asking.answers["lite0-fashion@2"] > answered + 20)
    assert asking.wrong == []
    assert set(asking.answers) == {"lite0-fashion@2", "noisy@2"}
