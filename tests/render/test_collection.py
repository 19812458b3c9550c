"""Folders of drawn garments: whole pictures, of one recipe, and a table that fits them."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service import collection
from service.alone import alone
from service.collection import Recipe, draw_collection
from service.demo import build_demo
from service.errors import FashionStudioError
from service.settings import Settings
from service.studio import Studio
from tests.test_cli import assert_one_line, run


def test_another_recipe_takes_the_place_of_drawn_pictures_alone(tmp_path: Path) -> None:
    images = tmp_path / "images"
    draw_collection(tmp_path, Recipe(garments=1, size=32))
    (drawn,) = images.iterdir()
    own = [images / name for name in ("holiday.jpg", "tee-1.jpg", "my-tee-00001.jpg")]
    for file in own:
        file.write_bytes(b"my own")
    drawn.with_suffix(".draft").write_bytes(b"of a process that was killed")
    draw_collection(tmp_path, Recipe(garments=1, views=2, size=32))
    assert not drawn.exists()
    assert {file.name for file in images.iterdir()} == {
        *(file.name for file in own),
        f"{drawn.stem}-0.jpg",
        f"{drawn.stem}-1.jpg",
    }
    for damaged in ("", "{", "[]"):
        (tmp_path / "recipe.json").write_text(damaged)
        draw_collection(tmp_path, Recipe(garments=1, size=32))
        assert set(images.iterdir()) == {drawn, *own}


def test_two_that_draw_into_one_folder_take_turns(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with alone(tmp_path / ".lock"):
            other = pool.submit(draw_collection, tmp_path, Recipe(garments=1, size=32))
            with pytest.raises(TimeoutError):
                other.result(timeout=0.5)
            assert sorted(file.name for file in tmp_path.iterdir()) == [".lock", "images"]
        assert other.result(timeout=60).exists()


def test_the_table_of_another_recipe_goes_before_its_pictures(tmp_path: Path) -> None:
    """A run that is stopped would leave new pictures beside what the old ones show."""

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    table = draw_collection(tmp_path, Recipe(garments=1, size=32))
    before, other = table.read_text(), Recipe(garments=1, size=32, seed=1)
    with pytest.raises(KeyboardInterrupt):
        draw_collection(tmp_path, other, stop)
    assert not table.exists()
    draw_collection(tmp_path, other)
    assert table.read_text() != before


def test_fewer_of_the_same_leave_the_others_there(tmp_path: Path) -> None:
    draw_collection(tmp_path, Recipe(garments=22, size=32))
    table = draw_collection(tmp_path, Recipe(garments=11, size=32))
    assert len(list(table.open())) == 1 + 11
    assert len(list((tmp_path / "images").iterdir())) == 22


def test_on_a_full_disk_no_half_of_a_picture_is_left(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from service.collection import Recipe, _draw\n"
        "from service.errors import FashionStudioError\n"
        "Path(sys.argv[1], 'images').mkdir()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"
        "try: _draw((Path(sys.argv[1]), Recipe(garments=1, size=32), 0))\n"
        "except FashionStudioError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path} cannot be written: File too large.\n"
    assert list((tmp_path / "images").iterdir()) == []


def test_no_process_to_draw_with_is_not_the_folders_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(collection, "process_pool", none)
    with pytest.raises(FashionStudioError, match=r"^No process can be started to draw: Resource"):
        draw_collection(tmp_path, Recipe(garments=1, size=32))


def test_a_table_of_many_takes_no_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        table = collection._write_table(tmp_path, Recipe(garments=100, views=30))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["garment"] for row in rows] == [str(i // 30) for i in range(3000)]
    assert rows[-1]["image_name"] == f"images/{rows[-1]['category_label'].lower()}-00099-29.jpg"


def test_more_than_a_folder_takes_is_refused(tmp_path: Path) -> None:
    done = run("render", tmp_path / "many", "--garments", "1000000", "--views", "2")
    assert_one_line(done, 2, "are 2000000 pictures; draw 1000000 at most")
    assert not (tmp_path / "many").exists()


def test_a_demo_draws_no_more_for_a_photo_that_was_laid_there(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").symlink_to(settings.home / "models")
    monkeypatch.setattr("service.demo.Recipe", lambda garments: Recipe(garments, size=32))
    images = tmp_path / "demo" / "images"
    with Studio(settings.model_copy(update={"home": tmp_path})) as studio:
        assert build_demo(studio, 11, lambda *_: None).added == 11
        shutil.copy(next(images.glob("*.jpg")), images / "mine.jpg")
        for _ in range(2):
            again = build_demo(studio, 11, lambda *_: None)
            assert (again.seen, again.added) == (11, 0)


def test_a_demo_of_another_edition_has_a_picture_for_each_garment(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").symlink_to(settings.home / "models")
    monkeypatch.setattr("service.demo.Recipe", lambda garments: Recipe(garments, size=32))
    folder = tmp_path / "demo"
    with Studio(settings.model_copy(update={"home": tmp_path})) as studio:
        assert build_demo(studio, 22, lambda *_: None).added == 22
        (folder / "recipe.json").write_text('{"edition": 1}')
        again = build_demo(studio, 11, lambda *_: None)
    assert again.seen == len(list(folder.glob("images/*.jpg"))) == 22
