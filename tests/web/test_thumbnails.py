"""Narrow pictures are made once and kept, as many as there is room for."""

from __future__ import annotations

from collections import Counter

import pytest
from flask.testing import FlaskClient

from service.web.api import garments
from service.web.pictures import Thumbnails


def test_the_last_ones_used_are_kept() -> None:
    made: Counter[str] = Counter()
    thumbnails = Thumbnails(most=10)

    def ask(name: str, size: int = 4) -> bytes:
        return thumbnails.get(name, lambda: made.update([name]) or bytes(size))

    for name in ("a", "b", "a", "c", "a", "b"):  # c takes the place of b, not of a
        assert ask(name) == bytes(4)
    assert made == {"a": 1, "b": 2, "c": 1}
    ask("large", 11)
    ask("a")
    assert made["a"] == 1


def test_a_picture_is_narrowed_once(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "/api/v1/garments/3/image?width=37"
    first = client.get(address).data

    def fail(*_: object) -> bytes:
        raise AssertionError("made again")

    monkeypatch.setattr(garments, "narrow", fail)
    assert client.get(address).data == first
