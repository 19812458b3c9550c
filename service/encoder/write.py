"""Bundles and calibrations written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from service.encoder.bundle import (
    CARD,
    LEARNT,
    NETWORK,
    REJECT,
    WEIGHTS,
    Card,
    content_sha256,
    copy_bundle,
    file_sha256,
    is_own,
    read_card,
)
from service.encoder.calibration import Calibration, Detector, Reject
from service.errors import BundleInvalid, InvalidParameter
from service.summary import printable

DRAFT = re.compile(r"^\.(.+)\.draft$")


def require_place(folder: Path) -> None:
    """Whether a bundle can be written to `folder`: it is not there yet, empty, or a bundle to replace.

    Raises `InvalidParameter`.
    """
    folder = folder.resolve()
    try:
        others = _others(folder)
        there = next(place for place in (folder.parent, *folder.parents) if place.exists())
        is_fixed = os.path.ismount(folder)
    except OSError as error:
        raise _no_place(folder, error.strerror) from None
    if is_fixed:
        raise _no_place(folder, "a disk is mounted there. Name a folder in it")
    if others:
        raise InvalidParameter(
            f"{folder} holds other files, such as {min(others)}, which a bundle would replace. Name a "
            "folder that is not there."
        )
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise _no_place(folder, f"{there} cannot be written")


def _others(folder: Path) -> set[str]:
    """What is in a folder beside a bundle's own files, their drafts and what a desktop leaves."""
    try:
        found = {entry.name for entry in folder.iterdir()} - {".DS_Store"}
    except FileNotFoundError:
        return set()
    if CARD not in found:
        return found
    return {name for name in found if not is_own(DRAFT.sub(r"\1", name))}


def _no_place(folder: Path, why: str | None) -> InvalidParameter:
    return InvalidParameter(f"{folder} cannot hold a bundle: {why}.")


@contextlib.contextmanager
def _in_place_of(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of `folder` once it is filled. Raises as `require_place`."""
    require_place(folder)
    folder = folder.resolve()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True
        ) as beside:
            draft = Path(beside, "new")
            draft.mkdir()
            yield draft
            while not _renamed(draft, folder):
                with contextlib.suppress(FileNotFoundError):  # another process was faster
                    folder.rename(tempfile.mkdtemp(dir=beside))
    except OSError as error:
        raise _no_place(folder, error.strerror) from None


def _renamed(draft: Path, folder: Path) -> bool:
    """False where `folder` is there already."""
    try:
        draft.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        return False
    return True


def write_bundle(
    folder: Path,
    *,
    network: str,
    weights: dict[str, np.ndarray],
    learnt: bytes | None = None,
    **facts: Any,
) -> Card:
    """Write a bundle whole or not at all, replacing the one at `folder`.

    network: Keras's JSON. weights: by Keras path, any float dtype; stored as float16, those beyond it,
    as variances may be, as float32.
    learnt: what tells the photos that it learnt from.
    facts: the card's other fields (name, version, labels, input_size, feature_size, metrics, …).
    Raises as `require_place`, and `BundleInvalid` for weights that are not finite.
    """
    kept = {path: _half(path, values) for path, values in weights.items()}
    with _in_place_of(folder) as draft:
        (draft / NETWORK).write_text(network, encoding="utf-8")
        (draft / WEIGHTS).write_bytes(save(kept))
        if learnt is not None:
            (draft / LEARNT).write_bytes(learnt)
        facts["files"] = {name: file_sha256(draft / name) for name in (NETWORK, WEIGHTS)}
        facts.setdefault("created_at", datetime.now(UTC).replace(microsecond=0))
        document = Card(content_sha256="", **facts).model_dump(mode="json")
        document["content_sha256"] = content_sha256(document)
        (draft / CARD).write_text(_text(document), encoding="utf-8")
    return Card.model_validate(document)


def _half(path: str, values: np.ndarray) -> np.ndarray:
    if not np.isfinite(values).all():
        raise BundleInvalid(f"The network's {path} is not finite. Train with a lower --rate.")
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if np.isfinite(half).all() else values.astype(np.float32)


def move_bundle(bundle: Path, folder: Path) -> None:
    """Let the bundle at `bundle` lie at `folder`, also on another disk, replacing the one there.

    Raises as `require_place`; then both are as they were.
    """
    with _in_place_of(folder) as draft:
        copy_bundle(bundle, draft)
    shutil.rmtree(bundle, ignore_errors=True)


def require_title(name: str, version: str) -> None:
    """Raises `InvalidParameter`."""
    if not name or not version:
        raise InvalidParameter("--name and --version must not be empty.")
    if printable(name + version) != name + version:
        raise InvalidParameter("--name and --version must be valid UTF-8.")


def write_calibration(
    folder: Path, content: str, *, temperature: float, detector: Detector, measured: dict[str, Any]
) -> Card:
    """Calibrate the bundle at `folder` anew: nothing but the card and the detector's file changes.

    content: the hash of the network that was measured. Raises `BundleInvalid`, also where that is no
    longer the folder's, or where it cannot be written; then the bundle is as it was.
    """
    data = detector.to_bytes()
    digest = hashlib.sha256(data).hexdigest()
    reject = Reject(
        threshold=detector.threshold, file=f"reject-{digest[:12]}.safetensors", sha256=digest
    )
    calibration = Calibration(temperature=temperature, reject=reject, measured=measured)
    with _locked(folder):  # two at once would each remove what the other's card names
        card = read_card(folder)
        if card.content_sha256 != content:
            raise BundleInvalid(f"{folder} was replaced while it was calibrated. Try again.")
        document = json.loads((folder / CARD).read_text(encoding="utf-8"))
        document["calibration"] = calibration.model_dump(mode="json")
        try:
            _replace(folder / reject.file, data)
            _replace(folder / CARD, _text(document).encode())
            for other in folder.glob(REJECT):
                if other.name != reject.file:
                    other.unlink()
        except OSError as error:
            raise BundleInvalid(f"{folder} cannot be written: {error.strerror}.") from None
    return card.model_copy(update={"calibration": calibration})


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise BundleInvalid(f"{folder} cannot be read: {error.strerror}.") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.draft")  # as DRAFT knows it
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
