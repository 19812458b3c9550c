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

from service.catalog import (
    Row,
    last_switch,
)
from service.encoder import Encoder, load_encoder
from service.model import Model
from service.settings import Settings
from service.studio import Studio
from service.switch import drop_model, model_of

from ...bundles import TITLE
from ..serving import Server, multipart, ready_server, wait_for
from .conftest import CLI, NEAR, PHOTOS, environment_of, switch


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
    assert np.abs(truth.cosines["noisy@2"] - truth.cosines[TITLE]).max() > 10 * NEAR

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
        assert f'fashion_studio_model{{model="{TITLE}"}} 1.0' in server.ask("GET", "/metrics")[1]
        killed.kill()
        killed.communicate()
        out, error = (resumed := use()).communicate(timeout=300)
        assert resumed.returncode == 0, error
        assert json.loads(out)["report"]["garments"] == PHOTOS
        wait_for(lambda: asking.answers["noisy@2"] > 20)
        answered = asking.answers[TITLE]
        studio.follow()
        switch(studio, "previous")
        wait_for(lambda: asking.answers[TITLE] > answered + 20)
        drop_model(studio, model_of(studio, "noisy@2"))
        answered = asking.answers[TITLE]
        wait_for(lambda: asking.answers[TITLE] > answered + 20)
    assert asking.wrong == []
    assert set(asking.answers) == {TITLE, "noisy@2"}
