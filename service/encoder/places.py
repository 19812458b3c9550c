"""Where a catalog's bundles lie on this machine."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.encoder.bundle import (
    CARD,
    NETWORK,
    SHIPPED,
    WEIGHTS,
    Card,
    copy_bundle,
    read_card,
)
from service.errors import BundleInvalid, BundleMismatch, HomeNotWritable
from service.settings import Settings


def place_of(name: str) -> Path:
    """The bundle's folder, or the file of weights, that someone names: `shipped` is the one that ships."""
    return SHIPPED if name == "shipped" else Path(name)


def find_bundle(settings: Settings, title: str, digest: str, folder: str | None) -> Path:
    """The bundle of that content, wherever it lies: the folder that is set, the one that the catalog
    names, this machine's own copy, the one that ships, the one that shipped.

    title, digest, folder: as the catalog has them. Raises `BundleMismatch` where it is nowhere.
    """
    named = Path(folder) if folder else None
    kept, shipped = kept_at(settings, digest), _shipped_at(settings, digest)
    for place in (settings.model, named, kept, SHIPPED, shipped):
        if place is not None and _digest(place) == digest:
            return place
    raise BundleMismatch(
        f"The catalog's model is {title}, and its bundle is not on this machine"
        + (f": neither at {folder} nor" if folder else ", not")
        + f" at {kept}. Copy it there, or set FASHION_STUDIO_MODEL to its folder."
    )


def keep_bundle(settings: Settings, folder: Path, card: Card) -> Path:
    """A copy that stays when the folder is trained into anew; the shipped bundle stays as it is.

    The same bundle calibrated otherwise is copied over the one that is kept, and the whole over one that
    was damaged. Raises `HomeNotWritable`, and `BundleInvalid` where the folder itself is damaged.
    """
    if _alike(SHIPPED, folder):
        return SHIPPED
    if folder == _shipped_at(settings, card.content_sha256):  # a copy that stays, too
        return folder
    target = kept_at(settings, card.content_sha256)
    whole = _is_whole(target)
    if whole and _alike(target, folder):
        return target
    try:
        with _copied(settings, folder) as copy:
            read_card(copy)
            if whole:
                for file in sorted(copy.iterdir(), key=lambda file: file.name == CARD):
                    if file.name not in (NETWORK, WEIGHTS):  # which are read, and the same
                        file.replace(target / file.name)  # the card last: it names others
            else:
                shutil.rmtree(target, ignore_errors=True)
                copy.rename(target)
    except OSError as error:
        raise HomeNotWritable(f"The bundle cannot be kept at {target}: {error.strerror}.") from None
    return target


def keep_shipped(settings: Settings, folder: Path, card: Card) -> None:
    """A copy of the bundle that ships, where `folder` is it, for catalogs that stay with it when an upgrade
    brings another one.

    None where the home cannot be written to: a server may have it for reading alone.
    """
    target = _shipped_at(settings, card.content_sha256)
    if folder != SHIPPED or target.exists():
        return
    with suppress(OSError, HomeNotWritable), _copied(settings, SHIPPED) as copy:
        copy.rename(target)


@contextmanager
def _copied(settings: Settings, folder: Path) -> Iterator[Path]:
    """A copy of a bundle beside those that are kept, to be moved to its place; what is left of it goes."""
    home = settings.folder("bundles")
    with tempfile.TemporaryDirectory(
        dir=home, prefix=".keeping-", ignore_cleanup_errors=True
    ) as draft:
        copy = Path(draft, "bundle")
        copy.mkdir()
        copy_bundle(folder, copy)
        yield copy


def copy_kept(settings: Settings, home: Path) -> None:
    """This machine's own copies into another home. Raises `HomeNotWritable`."""
    here, there = (place.absolute() / "bundles" for place in (settings.home, home))
    if not here.is_dir():
        return
    drafts = shutil.ignore_patterns(".keeping-*")
    try:
        shutil.copytree(here, there, dirs_exist_ok=True, ignore=drafts)
    except OSError as error:
        raise HomeNotWritable(
            f"The bundles of {here} cannot be copied to {there}: {error}."
        ) from None


def forget_bundle(settings: Settings, digest: str) -> None:
    """Remove this machine's own copy, where there is one."""
    for place in (kept_at(settings, digest), _shipped_at(settings, digest)):
        shutil.rmtree(place, ignore_errors=True)


def kept_at(settings: Settings, digest: str) -> Path:
    return settings.home.absolute() / "bundles" / digest[:16]


def _shipped_at(settings: Settings, digest: str) -> Path:
    return settings.home.absolute() / "bundles" / f"shipped-{digest[:16]}"


def _alike(one: Path, other: Path) -> bool:
    """Whether both are the same bundle with the same calibration, as their cards say."""
    try:
        return one.samefile(other) or (one / CARD).read_bytes() == (other / CARD).read_bytes()
    except OSError:
        return False


def _is_whole(folder: Path) -> bool:
    try:
        read_card(folder)
    except BundleInvalid:
        return False
    return True


def _digest(folder: Path) -> str | None:
    """What the card says, unverified; whoever loads the bundle checks it."""
    try:
        found = json.loads((folder / CARD).read_text(encoding="utf-8"))["content_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None
