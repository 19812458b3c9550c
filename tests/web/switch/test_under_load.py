"""Every answer while models change places is one model's own."""

from __future__ import annotations

import json
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from service.catalog import (
    Row,
    last_switch,
)
from service.encoder import Encoder, load_encoder
from service.model import Model
from service.settings import Settings
from service.studio import Studio
from service.switch import drop_model, model_of

from ...bundles import TITLE, write_variant
from ..serving import Server, multipart, ready_server, wait_for
from .conftest import CLI, NEAR, PHOTOS, environment_of, switch

# Every second garment is what the model says that it is
PREDICTED = text("""
    UPDATE garment SET label = predicted_label, label_source = 'predicted' WHERE id % 2 = 0
""")


class Truth:
    """What each model says of each photo and garment, computed with numpy.

    given: the label of each garment; None where the model decides.
    """

    def __init__(
        self,
        settings: Settings,
        encoders: dict[str, Any],
        photos: list[bytes],
        given: list[str | None],
    ) -> None:
        self.cosines, self.predicted, self.labels = {}, {}, {}
        for title, encoder in encoders.items():
            model = Model(settings, 0, Path(), encoder.card, encoder.card.labels)
            model._encoder = encoder
            said = [model.predict(model.decode(data)) for data in photos]
            seen = np.stack([prediction.embedding for prediction in said])
            unit = seen / np.linalg.norm(seen, axis=1, keepdims=True)
            self.cosines[title] = unit @ unit.T
            self.predicted[title] = [prediction.label for prediction in said]
            self.labels[title] = [
                label or prediction.label for label, prediction in zip(given, said, strict=True)
            ]

    def agrees(self, query: int, answer: dict[str, Any]) -> bool:
        """Whether the matches are this model's nearest to the garment of this number from 0, and
        everything has the label that this model gives it."""
        labels = self.labels[answer["model"]]
        asked = labels if answer["query"].get("id") else self.predicted[answer["model"]]
        if answer["query"]["label"] not in (asked[query], None):
            return False
        if any(match["label"] != labels[match["id"] - 1] for match in answer["matches"]):
            return False
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


@pytest.fixture(params=["the same labels", "another label set"])
def other(request: pytest.FixtureRequest, tmp_path: Path, encoder: Encoder, noisy: Path) -> Path:
    """A bundle whose embeddings are others; in the second case it also names everything otherwise."""
    if request.param == "the same labels":
        return noisy
    renamed = {label: f"{label} II" for label in encoder.card.labels}
    write_variant(tmp_path / "renamed", "renamed", noise=0.3, renamed=renamed)
    return tmp_path / "renamed"


@pytest.mark.timeout(600)
def test_under_load_every_answer_is_right_for_the_model_it_names(
    studio: Studio,
    settings: Settings,
    rows: list[Row],
    root: Path,
    other: Path,
    encoder: Encoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through a run that is killed, one that takes over, the way back, and a drop."""
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    stored = sorted(rows, key=lambda row: row.image_path)  # as they were given their ids
    photos = [(root / row.image_path).read_bytes() for row in stored]
    with studio.engine.begin() as connection:
        connection.execute(PREDICTED)
    given = [row.label if number % 2 else None for number, row in enumerate(stored, start=1)]
    new = load_encoder(settings, other)
    title = new.card.title
    truth = Truth(settings, {TITLE: encoder, title: new}, photos, given)
    assert np.abs(truth.cosines[title] - truth.cosines[TITLE]).max() > 10 * NEAR

    def use() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*CLI, "models", "use", str(other), "--rate", "4", "--force", "--json"],
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
        assert f"{title} is embedding" in state["warnings"][0]
        assert f'fashion_studio_model{{model="{TITLE}"}} 1.0' in server.ask("GET", "/metrics")[1]
        killed.kill()
        killed.communicate()
        out, error = (resumed := use()).communicate(timeout=300)
        assert resumed.returncode == 0, error
        assert json.loads(out)["report"]["garments"] == PHOTOS
        wait_for(lambda: asking.answers[title] > 20)
        answered = asking.answers[TITLE]
        studio.follow()
        switch(studio, "previous")
        wait_for(lambda: asking.answers[TITLE] > answered + 20)
        drop_model(studio, model_of(studio, title))
        answered = asking.answers[TITLE]
        wait_for(lambda: asking.answers[TITLE] > answered + 20)
    assert asking.wrong == []
    assert set(asking.answers) == {TITLE, title}
