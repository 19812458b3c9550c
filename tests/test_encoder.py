"""The shipped bundle on both runtimes, and bundles that must be refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.decode import Limits, decode, fit, read
from service.encoder import bundle_folder, keras, load_encoder
from service.encoder.bundle import CARD, SHIPPED, WEIGHTS, content_sha256, read_card
from service.encoder.convert import converted
from service.encoder.openvino import OpenVinoEncoder
from service.encoder.write import write_bundle
from service.errors import BundleInvalid, HomeNotWritable
from service.settings import Settings
from tests.test_bundles_written import write

ROOT = Path(__file__).parent.parent


def squares(folder: Path, count: int, side: int) -> list[np.ndarray]:
    files = sorted(folder.glob("images/*.jpg"))[:count]
    return [fit(decode(read(f, Limits()), Limits(), side=side).pixels, side) for f in files]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.fixture(scope="module")
def encoder(home: Path) -> OpenVinoEncoder:
    return OpenVinoEncoder(SHIPPED, home / "models")


def test_the_shipped_bundle_is_whole_and_small() -> None:
    card = read_card(SHIPPED)
    assert len(card.labels) == 11
    assert card.feature_size == 2048
    assert card.metrics["held_out"], "the card states how good the model is"
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) <= 45_000_000


def test_a_prediction_is_whole(encoder: OpenVinoEncoder, drawn: Path) -> None:
    (square,) = squares(drawn, 1, encoder.card.input_size)
    prediction = encoder.predict(square)
    confidences = [scored.confidence for scored in prediction.labels]
    assert {scored.label for scored in prediction.labels} == set(encoder.card.labels)
    assert sum(confidences) == pytest.approx(1)
    assert confidences == sorted(confidences, reverse=True)
    assert prediction.embedding.shape == (2048,)
    assert prediction.embedding.dtype == np.float32


@pytest.mark.parametrize("photos", ["drawn", "real_photos"])
def test_every_runtime_and_precision_agrees(
    photos: str, home: Path, encoder: OpenVinoEncoder, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(photos)
    half = OpenVinoEncoder(SHIPPED, home / "models", precision="bf16")
    tensorflow = load_encoder(Settings(home=home, runtime="tensorflow"))
    for square in squares(folder, 33, encoder.card.input_size):
        wanted = tensorflow.predict(square)
        lead = wanted.confidence - wanted.labels[1].confidence
        for other, alike, close in (
            (encoder.predict(square), 0.9999, 0.01),
            (half.predict(square), 0.997, 0.05),  # bf16 has 8 bits of precision
        ):
            assert cosine(other.embedding, wanted.embedding) >= alike
            assert other.label == wanted.label or lead < close


def test_parallel_answers_are_the_single_ones(encoder: OpenVinoEncoder, drawn: Path) -> None:
    """A photo that is alone is computed by all threads, by a network of its own."""
    pictures = squares(drawn, 12, encoder.card.input_size)
    alone = [encoder.predict(square) for square in pictures]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(encoder.predict, pictures * 4))
    for index, prediction in enumerate(together):
        assert np.array_equal(prediction.embedding, alone[index % 12].embedding)


def test_who_serves_writes_nothing(home: Path) -> None:
    """OpenVINO's cache of compiled networks killed processes that started at once."""
    folder = converted(SHIPPED, read_card(SHIPPED), home / "models").parent
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    OpenVinoEncoder(SHIPPED, home / "models")
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before


LOOK_AT_THREADS = """
import os, sys, numpy as np
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from service.encoder.bundle import SHIPPED
from service.encoder.openvino import OpenVinoEncoder

encoder, processors = OpenVinoEncoder(SHIPPED, Path(sys.argv[1])), os.sched_getaffinity(0)
blank = np.zeros((encoder.card.input_size, encoder.card.input_size, 3), np.uint8)
for callers in (1, 3):
    with ThreadPoolExecutor(callers) as pool:
        asked = [pool.submit(encoder.predict, blank) for _ in range(40)]
        while not all(one.done() for one in asked):
            for task in Path("/proc/self/task").iterdir():
                with suppress(ProcessLookupError):  # it has just ended
                    assert os.sched_getaffinity(int(task.name)) == processors
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are listed by Linux only")
def test_its_threads_may_run_on_any_processor(home: Path) -> None:
    """While they compute. Processes that bind theirs bind them to the same ones, as NNCF does in this one."""
    subprocess.run([sys.executable, "-c", LOOK_AT_THREADS, str(home / "models")], check=True)


def test_serving_never_imports_tensorflow_or_keras(home: Path, drawn: Path) -> None:
    code = (
        "import sys; from service.cli import main\n"
        "try: main(['classify', sys.argv[1], '--json'])\n"
        "except SystemExit as stop: assert stop.code == 0, stop.code\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    photo = next(drawn.glob("images/*.jpg"))
    environment = os.environ | {"FASHION_STUDIO_HOME": str(home)}
    subprocess.run([sys.executable, "-c", code, str(photo)], check=True, env=environment)


@pytest.mark.parametrize("module", ["openvino", "convert", "quantize", "layout"])
def test_nothing_is_reported_to_the_makers_of_openvino(module: str) -> None:
    code = (
        f"import sys, service.encoder.{module}, openvino.tools.ovc as ovc\n"
        "print(type(ovc.telemetry).__module__, sys.modules['openvino_telemetry'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "openvino.tools.ovc.telemetry_stub None\n", done.stderr


def test_a_conversion_that_cannot_be_stored_leaves_nothing(tmp_path: Path, drawn: Path) -> None:
    photo = next(drawn.glob("images/*.jpg"))
    small = "ulimit -f 4000; exec "  # no file above 4 MB, as on a full disk
    done = subprocess.run(
        ["bash", "-c", small + '"$0" -m service.cli classify "$1"', sys.executable, str(photo)],
        env=os.environ | {"FASHION_STUDIO_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert f"cannot be converted for OpenVINO in {tmp_path / 'models'}: " in line
    assert line.endswith(" MB free on its disk).")
    assert not list((tmp_path / "models").iterdir())


@pytest.mark.parametrize("file", ["network.xml", "network.bin"])
def test_a_damaged_conversion_says_what_to_delete(tmp_path: Path, home: Path, file: str) -> None:
    whole = converted(SHIPPED, read_card(SHIPPED), home / "models").parent
    copy = Path(shutil.copytree(whole, tmp_path / whole.name))
    os.truncate(copy / file, (copy / file).stat().st_size // 2)  # as after a power cut
    with pytest.raises(BundleInvalid, match=f"is damaged. Delete {copy}: "):
        OpenVinoEncoder(SHIPPED, tmp_path)


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    with pytest.raises(HomeNotWritable, match=r"models cannot be written: File exists \(\d+ MB"):
        converted(SHIPPED, read_card(SHIPPED), tmp_path / "models")


def test_a_quota_bounds_the_networks_threads(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers have it: OpenVINO itself looks at the machine's processors."""
    monkeypatch.setattr("service.encoder.openvino.available", lambda: 8)
    monkeypatch.setattr("service.encoder.openvino.processors", lambda: 1)
    assert OpenVinoEncoder(SHIPPED, home / "models").requests == 2


def test_what_lies_in_the_current_folder_is_not_run(tmp_path: Path, drawn: Path) -> None:
    """Neither a package of our name, nor a module of the standard library's."""
    photo = next(drawn.glob("images/*.jpg")).absolute()
    for name in ("service/__init__.py", "random.py", "keras.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("raise SystemExit('not ours')")
    started = (
        "import sys; sys.path[:] = [p for p in sys.path if p]; from service.cli import main; main()"
    )
    subprocess.run(
        [sys.executable, "-c", started, "classify", str(photo)],
        cwd=tmp_path,
        env=os.environ | {"FASHION_STUDIO_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)},
        check=True,
    )


def test_a_conversion_takes_the_place_of_those_of_earlier_releases(tmp_path: Path) -> None:
    card = read_card(SHIPPED)
    content, other = card.content_sha256[:16], "0123456789abcdef-1"  # another bundle's
    for name in (content, f"{content}-1", other):
        (tmp_path / name).mkdir()
        (tmp_path / name / "network.xml").write_text("")
    made = converted(SHIPPED, card, tmp_path).parent
    assert {folder.name for folder in tmp_path.iterdir()} == {made.name, other}


def test_a_bundle_that_is_replaced_meanwhile_is_not_kept_as_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, cache = tmp_path / "bundle", tmp_path / "models"
    card = write(bundle)

    def run(folder: Path, target: Path) -> None:
        target.write_text("of the one or the other")
        write(folder, value=1.0)

    monkeypatch.setattr("service.encoder.convert._run", run)
    with pytest.raises(BundleInvalid, match="was replaced while it was converted"):
        converted(bundle, card, cache)
    assert list(cache.iterdir()) == []


def test_nor_does_tensorflow_load_the_one_as_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "bundle"))
    imported = keras.import_keras

    def replaced(backend: str) -> Any:
        change_card(folder, temperature=2.0)
        document = json.loads((folder / CARD).read_text())
        change_card(folder, content_sha256=content_sha256(document))
        return imported(backend)

    monkeypatch.setattr(keras, "import_keras", replaced)
    with pytest.raises(BundleInvalid, match="was replaced while it was read"):
        keras.TensorFlowEncoder(folder)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "bundle"))


def change_card(folder: Path, **fields: object) -> None:
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | fields))


def test_an_altered_weight_is_noticed(copy: Path) -> None:
    with (copy / WEIGHTS).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x01")
    with pytest.raises(BundleInvalid, match="altered"):
        read_card(copy)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"format": 99}, "format 99; this version reads up to 1. Upgrade"),
        ({"labels": ["Tee", "Dress"]}, "altered"),
        ({"labels": ["Tee", "Tee"]}, "twice"),
        ({"input_size": "large"}, "input_size"),
    ],
)
def test_an_altered_card_is_refused(copy: Path, fields: dict[str, object], words: str) -> None:
    change_card(copy, **fields)
    with pytest.raises(BundleInvalid, match=words):
        read_card(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / WEIGHTS).unlink()
    with pytest.raises(BundleInvalid, match=f"lacks {WEIGHTS}"):
        read_card(copy)


def test_a_folder_that_is_no_bundle_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid, match="FASHION_STUDIO_MODEL"):
        read_card(bundle_folder(Settings(model=tmp_path)))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network = (SHIPPED / "network.json").read_text()
    card = read_card(SHIPPED)
    write_bundle(
        tmp_path / "hollow",
        network=network,
        weights={"some/kernel": np.zeros(3)},
        name="hollow",
        version="1",
        labels=card.labels,
        input_size=card.input_size,
        feature_size=card.feature_size,
    )
    with pytest.raises(BundleInvalid, match="weights do not fit its network"):
        OpenVinoEncoder(tmp_path / "hollow", tmp_path / "cache")
