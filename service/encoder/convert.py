"""A bundle to an OpenVINO network, by Keras's own OpenVINO backend and without TensorFlow.

Keras binds its backend once a process, so this runs as a process of its own:
`python -m service.encoder.convert BUNDLE TARGET.xml`, 3 seconds, once per bundle and machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from service.encoder.bundle import Card, read_card
from service.errors import BundleInvalid, HomeNotWritable

CONVERSION = 2
"""To be raised by whoever changes what a conversion gives: no machine goes on with what it has then."""


def converted(bundle: Path, card: Card, cache: Path) -> Path:
    """The converted network's .xml in `cache`, converting first where it is not there yet.

    Two processes may convert at once: each works in a folder of its own and the first to finish wins.
    """
    target = cache / f"{card.content_sha256[:16]}-{CONVERSION}"
    if not (target / "network.xml").exists():
        with whole_folder(cache, ".converting-") as folder:
            draft = folder / "draft"
            draft.mkdir()
            _run(bundle, draft / "network.xml")
            if read_card(bundle).content_sha256 != card.content_sha256:
                raise BundleInvalid(f"{bundle} was replaced while it was converted. Try again.")
            with contextlib.suppress(OSError):
                draft.rename(target)
        if not (target / "network.xml").exists():
            raise BundleInvalid(f"The converted network cannot be written to {target}.")
        _forget_earlier(target)
    return target / "network.xml"


@contextlib.contextmanager
def whole_folder(cache: Path, prefix: str) -> Iterator[Path]:
    """A folder in `cache`, made if need be, for what is not whole yet. Raises `HomeNotWritable`."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=prefix) as folder:
            yield Path(folder)
    except OSError as error:
        raise HomeNotWritable(
            f"{cache} cannot be written: {error.strerror} ({free(cache)})."
        ) from None


def free(folder: Path) -> str:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    return f"{shutil.disk_usage(there).free // 1_000_000} MB free on its disk"


def _forget_earlier(target: Path) -> None:
    """What earlier releases made of the same bundle, 25 MB each."""
    content = target.name.removesuffix(f"-{CONVERSION}")
    for name in (content, *(f"{content}-{number}" for number in range(1, CONVERSION))):
        shutil.rmtree(target.with_name(name), ignore_errors=True)


def int8_place(xml: Path) -> Path:
    """Where the int8 network of a converted one is, or would be, see `quantize`."""
    return xml.with_name("int8.xml")


def int8_network(xml: Path) -> Path:
    """The int8 network of a converted one. Raises `BundleInvalid` where there is none."""
    target = int8_place(xml)
    if not target.exists():
        raise BundleInvalid(
            "This bundle has no int8 network on this machine. Make it with "
            "`fashion-studio quantize BUNDLE --data SOURCE`, or unset FASHION_STUDIO_PRECISION."
        )
    return target


def _run(bundle: Path, target: Path) -> None:
    environment = os.environ | {"KERAS_BACKEND": "openvino", "KERAS_HOME": os.devnull}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "service.encoder.convert", str(bundle), str(target)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise BundleInvalid(
            f"{bundle} cannot be converted for OpenVINO in {target.parents[2]}: {lines[-1]} "
            f"({free(target.parent)})."
        )


def main(bundle: Path, target: Path) -> None:
    """Convert in this process, as far as can be done once for all: what is left takes 0.15 s at each start.

    OpenVINO's cache of compiled networks would not be quicker, and processes that start at once break it
    for each other: one reads what another is writing, and dies of it.
    """
    _leave_out()
    import openvino
    from openvino._offline_transformations import apply_moc_transformations

    from service.encoder.keras import import_keras, read_network
    from service.encoder.layout import without_transpositions

    model = read_network(bundle, import_keras("openvino"))
    full = target.with_name("float32.xml")
    model.export(str(full), format="openvino", verbose=False)
    network = openvino.Core().read_model(full)
    without_transpositions(network)
    apply_moc_transformations(network, cf=True)  # as `openvino.convert_model` does
    openvino.save_model(network, target, compress_to_fp16=False)
    openvino.Core().read_model(
        target
    )  # some versions write less on a disk that is full, and say nothing
    for suffix in (".xml", ".bin"):
        full.with_suffix(suffix).unlink()
        with target.with_suffix(suffix).open("rb") as file:
            os.fsync(file.fileno())  # before it has its name: power may fail


def _leave_out() -> None:
    """Let Keras go without what it imports for plots and tables where that is installed."""
    for name in ("IPython", "matplotlib", "pandas", "sklearn"):
        sys.modules[name] = None  # type: ignore[assignment]  # as where it is not installed


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
