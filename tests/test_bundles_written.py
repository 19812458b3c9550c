"""Bundles are written whole or not at all: on a full disk, by several at once, over another one."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from service.encoder import SHIPPED, bundle
from service.encoder.bundle import CARD, NETWORK, Card, read_card, read_weights
from service.encoder.calibration import Detector
from service.encoder.places import keep_bundle
from service.encoder.write import (
    move_bundle,
    require_place,
    require_title,
    write_bundle,
    write_calibration,
)
from service.errors import BundleInvalid, HomeNotWritable, InvalidParameter
from service.model import Model
from service.settings import Settings


def write(folder: Path, version: str = "1", size: int = 8, value: float = 0.0) -> Card:
    """A bundle that no network could be made of."""
    return write_bundle(
        folder,
        network="{}",
        weights={"a/kernel": np.full(size, value)},
        name="small",
        version=version,
        labels=("Tee", "Top"),
        input_size=32,
        feature_size=2,
    )


def detector(seed: int) -> Detector:
    weights = np.random.default_rng(seed).normal(size=(2, 2)).astype(np.float32)
    return Detector(weights, np.zeros(2, np.float32), 0.0)


def calibrate(folder: Path, seed: int) -> Card:
    return write_calibration(
        folder,
        read_card(folder).content_sha256,
        temperature=1.0,
        detector=detector(seed),
        measured={},
    )


@contextlib.contextmanager
def no_larger_files(size: int) -> Iterator[None]:
    """As on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_bundle_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    before = write(tmp_path / "bundle")
    code = (
        "import resource, sys; from pathlib import Path; from tests.test_bundles_written import write\n"
        "from service.errors import InvalidParameter\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: write(Path(sys.argv[1]), '2', 100_000)\n"
        "except InvalidParameter as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "bundle")], capture_output=True, text=True
    )
    assert "bundle cannot hold a bundle: File too large." in done.stdout, done.stderr
    assert read_card(tmp_path / "bundle") == before
    assert os.listdir(tmp_path) == ["bundle"]


def test_several_may_write_one_bundle(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write(folder, str(number)), range(80)))
    read_card(folder)
    assert os.listdir(tmp_path) == ["bundle"]


def test_several_may_calibrate_one_bundle(tmp_path: Path) -> None:
    """Each removes the file of the calibration before its own, and never another's."""
    folder = tmp_path / "bundle"
    write(folder)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: calibrate(folder, seed), range(80)))
    assert read_card(folder).calibration is not None
    assert len(os.listdir(folder)) == 4


def test_who_reads_a_bundle_while_it_is_calibrated_finds_it_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "bundle")
    calibrate(tmp_path / "bundle", 0)
    digest, new = bundle.file_sha256, []

    def hashed(path: Path) -> str:
        if not new:
            new.append(None)
            new[0] = calibrate(tmp_path / "bundle", 1)
        return digest(path)

    monkeypatch.setattr(bundle, "file_sha256", hashed)
    card, found = bundle.read_calibrated(tmp_path / "bundle")
    assert card == new[0]
    assert found is not None
    assert np.allclose(found.weights, detector(1).weights, atol=1e-3)
    (reject,) = (tmp_path / "bundle").glob("reject-*")
    reject.unlink()
    with pytest.raises(BundleInvalid, match="lacks reject-"):
        bundle.read_calibrated(tmp_path / "bundle")


def test_a_network_that_was_replaced_is_not_the_one_that_a_process_began_with(
    tmp_path: Path, settings: Settings, home: Path
) -> None:
    """Its embeddings would go into the catalog under the other one's name."""
    folder = tmp_path / "bundle"
    shutil.copytree(SHIPPED, folder)
    card = read_card(folder)
    model = Model(settings, 1, folder, card, card.labels)
    weights = read_weights(folder)
    name = min(weights)
    write_bundle(
        folder,
        network=(SHIPPED / NETWORK).read_text(),
        weights=weights | {name: weights[name] + np.float32(1)},
        name="another",
        version="1",
        labels=card.labels,
        input_size=card.input_size,
        feature_size=card.feature_size,
    )
    with pytest.raises(BundleInvalid, match=rf"another bundle by now than {card.title}"):
        _ = model.encoder
    assert not model.loaded


def test_a_calibration_is_not_written_into_another_network(tmp_path: Path) -> None:
    measured = write(tmp_path / "bundle").content_sha256
    card = write(tmp_path / "bundle", value=1.0)
    with pytest.raises(BundleInvalid, match="was replaced while it was calibrated"):
        write_calibration(
            tmp_path / "bundle", measured, temperature=2.0, detector=detector(0), measured={}
        )
    assert read_card(tmp_path / "bundle") == card


def test_a_calibration_that_does_not_fit_leaves_the_one_before(tmp_path: Path) -> None:
    write(tmp_path / "bundle")
    calibrate(tmp_path / "bundle", 1)
    before = sorted(os.listdir(tmp_path / "bundle"))
    with (
        no_larger_files(50),
        pytest.raises(BundleInvalid, match="cannot be written: File too large"),
    ):
        calibrate(tmp_path / "bundle", 2)
    read_card(tmp_path / "bundle")
    assert sorted(os.listdir(tmp_path / "bundle")) == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_no_bundle(tmp_path: Path, value: float) -> None:
    with pytest.raises(BundleInvalid, match="a/kernel is not finite"):
        write(tmp_path / "bundle", value=value)
    assert not (tmp_path / "bundle").exists()


def test_weights_beyond_float16_are_kept_as_float32(tmp_path: Path) -> None:
    """ImageNet's ResNet50 has variances of 100,000 and more."""
    write(tmp_path / "bundle", value=146_335.0)
    (kept,) = read_weights(tmp_path / "bundle").values()
    assert kept.dtype == np.float32
    assert (kept == 146_335).all()


def test_a_link_to_a_bundle_stays_one(tmp_path: Path) -> None:
    write(tmp_path / "first")
    (tmp_path / "current").symlink_to("first")
    card = write(tmp_path / "current", "2")
    assert (tmp_path / "current").is_symlink()
    assert read_card(tmp_path / "first") == card


def test_a_bundle_is_moved(tmp_path: Path) -> None:
    card = write(tmp_path / "made")
    write(tmp_path / "there" / "bundle", "0")
    move_bundle(tmp_path / "made", tmp_path / "there" / "bundle")
    assert read_card(tmp_path / "there" / "bundle") == card
    assert not (tmp_path / "made").exists()
    assert os.listdir(tmp_path / "there") == ["bundle"]


def test_where_a_bundle_has_no_room_it_stays_where_it_was(tmp_path: Path) -> None:
    card = write(tmp_path / "made", size=100_000)
    settings = Settings(home=tmp_path / "home")
    with no_larger_files(50_000):
        with pytest.raises(InvalidParameter, match="there cannot hold a bundle: File too large"):
            move_bundle(tmp_path / "made", tmp_path / "there")
        with pytest.raises(HomeNotWritable, match=r"cannot be kept at .*: File too large\.$"):
            keep_bundle(settings, tmp_path / "made", card)
    assert read_card(tmp_path / "made") == card
    assert not (tmp_path / "there").exists()
    assert not list((tmp_path / "home" / "bundles").iterdir())


def test_what_else_lies_beside_a_bundle_is_not_kept_with_it(tmp_path: Path) -> None:
    card = write(tmp_path / "mine")
    (tmp_path / "mine" / "notes").mkdir()
    kept = keep_bundle(Settings(home=tmp_path / "home"), tmp_path / "mine", card)
    assert sorted(os.listdir(kept)) == ["card.json", "network.json", "weights.safetensors"]


def test_what_was_kept_and_damaged_is_kept_anew(tmp_path: Path) -> None:
    settings, card = Settings(home=tmp_path / "home"), write(tmp_path / "mine", size=100)
    kept = keep_bundle(settings, tmp_path / "mine", card)
    (kept / "weights.safetensors").write_bytes(b"half")
    assert keep_bundle(settings, tmp_path / "mine", card) == kept
    assert read_card(kept) == card
    (tmp_path / "mine" / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(BundleInvalid, match="was altered"):
        keep_bundle(Settings(home=tmp_path / "other"), tmp_path / "mine", card)
    assert not list((tmp_path / "other" / "bundles").iterdir())


def test_what_a_bundle_learnt_from_is_kept_with_its_card(tmp_path: Path) -> None:
    settings, card = Settings(home=tmp_path / "home"), write(tmp_path / "mine")
    kept = keep_bundle(settings, tmp_path / "mine", card)
    write_bundle(
        tmp_path / "mine", network="{}", weights=read_weights(tmp_path / "mine"), learnt=b"1234",
        **card.model_dump(include={"name", "version", "labels", "input_size", "feature_size"}),
        training={"learnt": {"sha256": "of these"}},
    )  # fmt: skip
    card = read_card(tmp_path / "mine")
    assert keep_bundle(settings, tmp_path / "mine", card) == kept
    assert read_card(kept) == card
    assert (kept / "learnt.bin").read_bytes() == b"1234"


@pytest.mark.parametrize(("name", "version"), [("", "1"), ("a", ""), ("a\udcff", "1")])
def test_a_bundle_needs_a_name_that_can_be_written(name: str, version: str) -> None:
    with pytest.raises(InvalidParameter, match="--name and --version must"):
        require_title(name, version)


def test_what_else_lies_in_a_bundles_folder_is_not_lost(tmp_path: Path) -> None:
    write(tmp_path)
    calibrate(tmp_path, 1)
    (tmp_path / ".DS_Store").write_bytes(b"")
    (tmp_path / ".card.json.draft").write_bytes(b"")  # of a calibration that was killed
    require_place(tmp_path)
    (tmp_path / ".git").mkdir()
    with pytest.raises(InvalidParameter, match=r"such as .git, which a bundle would replace"):
        write(tmp_path)
    (tmp_path / ".git").rmdir()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InvalidParameter, match=r"such as notes.txt, which a bundle would replace"):
        write(tmp_path)


def test_a_place_that_is_fixed_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="a disk is mounted there"):
        require_place(Path("/dev/shm"))


def test_a_file_that_may_not_be_read_is_not_said_to_be_missing(tmp_path: Path) -> None:
    write(tmp_path / "bundle")
    (tmp_path / "bundle" / CARD).unlink()
    with pytest.raises(BundleInvalid, match=r"is no model bundle: it has no card\.json"):
        read_card(tmp_path / "bundle")
    (tmp_path / "bundle" / CARD).mkdir()
    with pytest.raises(BundleInvalid, match=r"card\.json cannot be read: Is a directory"):
        read_card(tmp_path / "bundle")


def test_so_is_a_detector(tmp_path: Path) -> None:
    write(tmp_path)
    reject = calibrate(tmp_path, 1).calibration.reject.file
    (tmp_path / reject).unlink()
    (tmp_path / reject).mkdir()
    with pytest.raises(BundleInvalid, match=f"{reject} cannot be read: Is a directory"):
        read_card(tmp_path)
