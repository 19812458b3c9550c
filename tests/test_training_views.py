"""Views of photos, made in processes beside the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from service.training.views import Views

PHOTOS = np.random.default_rng(0).integers(0, 255, (6, 48, 48, 3), np.uint8)
ORDER = np.array([[0, 1, 2, 0], [3, 4, 5, 5], [5, 4, 0, 1]] * 4)


def made(pixels: np.ndarray, chance: int) -> list[np.ndarray]:
    with Views(pixels) as views:
        return list(views.batches(ORDER, 32, np.random.SeedSequence(chance)))


def test_equal_chance_gives_equal_views_of_an_array_and_of_a_file(tmp_path: Path) -> None:
    np.save(tmp_path / "photos.npy", PHOTOS)
    first, again = made(PHOTOS, 1), made(np.load(tmp_path / "photos.npy", mmap_mode="r"), 1)
    assert len(first) == len(ORDER)
    assert {(batch.shape, batch.dtype.name) for batch in first} == {((4, 32, 32, 3), "uint8")}
    assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))
    assert not np.array_equal(first[0][0], first[0][3]), "a photo taken twice gives two views"
    assert not np.array_equal(first[0], made(PHOTOS, 2)[0])


def test_batches_come_in_the_order_asked_for() -> None:
    plain = np.stack([np.full((48, 48, 3), 40 * number, np.uint8) for number in range(6)])
    for rows, batch in zip(ORDER, made(plain, 3), strict=True):
        brightness = np.median(batch, axis=(1, 2, 3))
        for row in set(rows) - {0}:  # black stays black, whatever the light
            assert brightness[rows == row].min() > brightness[rows == 0].max(initial=0)
