"""No path leads out of the image root."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from service.catalog import Loader, Row
from service.studio import Studio

from ..asking import require_problem
from ..conftest import JPEG
from .conftest import GARMENTS, add, pictures, rows


@pytest.mark.parametrize(
    "path",
    [
        "../out.jpg",
        "a/../../out.jpg",
        "a/..",
        "..",
        ".",
        "./a.jpg",
        "/etc/out.jpg",
        "//etc/out.jpg",
        "a//b.jpg",
        "a/./b.jpg",
        "..\\out.jpg",
        "C:\\out.jpg",
        "a\0.jpg",
        "a\n.jpg",
        ".ssh/a.jpg",
        "a/.hidden.jpg",
        ".a.jpg.draft",
        "page.html",
        "noending",
        "a.jpg/",
        "a" * 201 + ".jpg",
        "é" * 150 + ".jpg",
    ],
)
def test_a_path_that_leads_out_or_hides_is_refused(
    empty: FlaskClient, studio: Studio, root: Path, path: str
) -> None:
    answer = add(empty, image_path=path)
    assert "image_path" in require_problem(answer, 400, "invalid_parameter")
    assert pictures(root.parent) == []
    assert rows(studio) == 0


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/out.jpg",
        "%2e%2e%2fout.jpg",
        "..%5cout.jpg",
        "\uff0e\uff0e\uff0fout.jpg",
        "\u2025/out.jpg",
    ],
)
def test_encoded_dots_are_names_like_any_other(empty: FlaskClient, root: Path, path: str) -> None:
    answer = add(empty, image_path=path)
    if path.startswith("."):
        require_problem(answer, 400, "invalid_parameter")
    else:
        assert answer.status_code == 201
        assert pictures(root) == [path]
    assert list(root.parent.iterdir()) == [root]


def test_links_lead_nowhere_outside(
    empty: FlaskClient, studio: Studio, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (root / "link").symlink_to(outside)
    (root / "link.jpg").symlink_to(outside / "new.jpg")
    for path in ("link/out.jpg", "link.jpg"):
        require_problem(add(empty, image_path=path), 400, "invalid_parameter")
    assert list(outside.iterdir()) == []
    assert rows(studio) == 0


@pytest.mark.parametrize(
    "path",
    ["../secret.jpg", "a/../../secret.jpg", "link/secret.jpg", "link.jpg", "a\\..\\secret.jpg"],
)
def test_no_picture_is_read_from_outside(
    empty: FlaskClient,
    studio: Studio,
    root: Path,
    rows: list[Row],
    tmp_path_factory: pytest.TempPathFactory,
    path: str,
) -> None:
    """Even where the catalog says so: a row may come from elsewhere."""
    outside = tmp_path_factory.mktemp("outside")
    for place in (outside, root.parent):
        (place / "secret.jpg").write_bytes(JPEG)
    try:
        (root / "link").symlink_to(outside)
        (root / "link.jpg").symlink_to(outside / "secret.jpg")
        garment = Row(
            **{name: getattr(rows[0], name) for name in rows[0].__slots__} | {"image_path": path}
        )
        Loader(studio.engine, studio.model_id).write([garment])
        require_problem(empty.get(f"{GARMENTS}/1/image"), 404, "picture_gone")
    finally:
        (root.parent / "secret.jpg").unlink()
