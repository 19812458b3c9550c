"""Another bundle ships: a catalog stays with the one that it began with, until the new one takes over."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from service import encoder
from service.catalog import note_folder
from service.encoder import places
from service.errors import BundleMismatch
from service.settings import Settings
from service.studio import Studio

from ...bundles import TITLE
from .conftest import ask, photo, switch


@pytest.fixture
def upgraded(studio: Studio, noisy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package with another bundle, where the catalog's lay before."""
    note_folder(studio.engine, studio.model_id, "/elsewhere/lite0")
    for module in (encoder, places):
        monkeypatch.setattr(module, "SHIPPED", noisy)


def test_an_upgrade_leaves_the_catalog_its_bundle(
    studio: Studio, settings: Settings, root: Path, request: pytest.FixtureRequest
) -> None:
    before = ask(studio, photo(root, 0))
    request.getfixturevalue("upgraded")
    with Studio(settings) as after:
        assert ask(after, photo(root, 0)) == before
        switch(after, "shipped", margin=1)
        assert ask(after, photo(root, 0)).model == "noisy@2"
        (copy,) = (settings.home / "bundles").iterdir()
        assert copy.name.startswith("shipped-"), "of which no second copy is kept"
        assert switch(after, "previous") is None
        assert ask(after, photo(root, 0)) == before


@pytest.mark.usefixtures("upgraded")
def test_without_a_copy_it_is_said_which_bundle_lacks(settings: Settings) -> None:
    shutil.rmtree(settings.home / "bundles")
    with pytest.raises(BundleMismatch, match=rf"model is {TITLE}, and its bundle is not on this"):
        Studio(settings)


def test_a_home_that_cannot_be_written_has_no_copy(
    studio: Studio, settings: Settings, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    full.write_bytes(b"")  # a file where the folder would be
    with Studio(settings.model_copy(update={"home": full / "home"})) as opened:
        assert opened.card.title == TITLE
