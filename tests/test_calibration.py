"""Temperature and detector: what they do to an answer, how they are fitted, what they leave alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.decode import fit
from service.encoder.bundle import CARD, SHIPPED, read_card
from service.encoder.calibration import Detector, read_detector
from service.encoder.openvino import OpenVinoEncoder
from service.encoder.prediction import softmax
from service.encoder.write import write_calibration
from service.errors import BundleInvalid, TrainingImpossible
from service.settings import Settings
from service.training.calibrate import (
    _crossed,
    _first_half,
    _helps,
    _temperature,
    _threshold,
    calibrate,
    calibrate_on,
)
from service.training.data import Sample
from service.training.detector import fit_detector
from service.training.figures import calibration_error, reliability
from service.training.nothing import pictures_of_nothing
from service.training.observe import Observed
from tests.pictures import encoded, picture
from tests.test_encoder import change_card, squares

LABELS, FEATURES = 3, 16
NONE = np.zeros((0, FEATURES), np.float32)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A copy of the shipped bundle as it was before it was calibrated."""
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "bundle"))
    for file in folder.glob("reject-*"):
        file.unlink()
    change_card(folder, calibration=None)
    return folder


def test_pictures_of_nothing_are_no_garment(home: Path) -> None:
    """Others than the detector was fitted to."""
    encoder = OpenVinoEncoder(SHIPPED, home / "models")
    side = encoder.card.input_size
    pictures = list(pictures_of_nothing(80, seed=2))
    assert len({picture.tobytes() for picture in pictures}) == 80
    recognised = [encoder.predict(fit(picture, side)).recognised for picture in pictures]
    assert sum(recognised) <= 1
    black = encoder.predict(np.zeros((side, side, 3), np.uint8))
    white = encoder.predict(np.full((side, side, 3), 255, np.uint8))
    assert not black.recognised
    assert not white.recognised


def some_detector(threshold: float) -> Detector:
    return Detector(np.zeros((2, 2048), np.float32), np.zeros(2, np.float32), threshold)


def made_up(photos: int, *, sharpness: float = 4.0, seed: int = 0) -> Observed:
    """Photos of three labels around their means and, a quarter of them, of none.

    The logits are true log-probabilities, multiplied by `sharpness`.
    """
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(LABELS), photos)
    truth = np.array([rng.choice(LABELS, p=row) for row in probabilities])
    truth[::4] = -1
    means = np.random.default_rng(99).normal(size=(LABELS + 1, FEATURES))
    features = means[truth] + rng.normal(scale=0.4, size=(photos, FEATURES))
    samples = tuple(Sample(Path(f"{i}.jpg"), "made", None, f"made/{i}") for i in range(photos))
    logits = sharpness * np.log(probabilities + 1e-9)
    return Observed(samples, features.astype(np.float32), logits.astype(np.float32), truth)


def fitted_to(observed: Observed) -> Detector:
    fitted = fit_detector(observed, NONE)
    return Detector(fitted.weights, fitted.bias, _threshold(observed, fitted, 0.98))


def test_the_shipped_bundle_is_calibrated_and_rejects() -> None:
    calibration = read_card(SHIPPED).calibration
    assert calibration is not None
    sources = list(calibration.measured["sources"].values())
    gains = [s["calibration_error_before"] - s["calibration_error_after"] for s in sources]
    if (
        calibration.temperature == 1
    ):  # no other one serves where the one that was fitted gains nothing
        assert gains[0] <= 0
    else:
        assert min(gains) >= -0.02
    for figures in sources:
        assert figures["recognised"]["share"] >= 0.95
        assert figures.get("auroc", 1) > 0.75


def test_a_bundle_without_calibration_recognises_everything(
    bare: Path, home: Path, drawn: Path
) -> None:
    assert read_card(bare).softmax_temperature == 1
    encoder = OpenVinoEncoder(bare, home / "models")
    (square,) = squares(drawn, 1, encoder.card.input_size)
    assert encoder.predict(square).recognised
    assert encoder.predict(np.zeros_like(square)).recognised


def test_calibration_changes_confidence_and_leaves_embeddings_and_identity(
    bare: Path, home: Path, drawn: Path
) -> None:
    before = OpenVinoEncoder(bare, home / "models")
    write_calibration(
        bare,
        read_card(bare).content_sha256,
        temperature=2.0,
        detector=some_detector(0.5),
        measured={},
    )
    after = OpenVinoEncoder(bare, home / "models")
    assert after.card.content_sha256 == before.card.content_sha256
    (square,) = squares(drawn, 1, after.card.input_size)
    old, new = before.predict(square), after.predict(square)
    assert np.array_equal(old.embedding, new.embedding)
    _, logits = after.forward(square)
    assert new.confidence == pytest.approx(softmax(logits, 2.0).max())
    assert new.confidence < old.confidence
    assert [scored.label for scored in new.labels] == [scored.label for scored in old.labels]
    assert not new.recognised  # every score is 0, the threshold 0.5
    document = new.as_dict()
    assert document["label"] is None
    assert document["recognised"] is False
    assert document["confidence"] == document["labels"][0]["confidence"] > 0


def test_calibrating_again_leaves_one_detector(bare: Path) -> None:
    for threshold, weight in ((0.1, 1.0), (0.2, 2.0)):
        detector = Detector(
            np.full((2, 2048), weight, np.float32), np.zeros(2, np.float32), threshold
        )
        card = write_calibration(
            bare, read_card(bare).content_sha256, temperature=1.5, detector=detector, measured={}
        )
    assert [file.name for file in bare.glob("reject-*")] == [card.calibration.reject.file]
    assert read_card(bare) == card
    stored = read_detector(bare, card.calibration)
    assert stored is not None
    assert (stored.threshold, stored.weights[0, 0]) == (0.2, 2.0)


def test_a_missing_or_altered_detector_is_named(bare: Path) -> None:
    card = write_calibration(
        bare,
        read_card(bare).content_sha256,
        temperature=1.0,
        detector=some_detector(0),
        measured={},
    )
    file = bare / card.calibration.reject.file
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"\x01")
    with pytest.raises(BundleInvalid, match=r"reject-.* was altered"):
        read_card(bare)
    file.unlink()
    with pytest.raises(BundleInvalid, match="lacks reject-"):
        read_card(bare)
    document = json.loads((bare / CARD).read_text())["calibration"]
    document["reject"]["file"] = "../../etc/passwd"
    change_card(bare, calibration=document)
    with pytest.raises(BundleInvalid, match=r"calibration.reject.file"):
        read_card(bare)


def test_temperature_makes_confidence_honest() -> None:
    observed = made_up(4000)
    known = observed.labelled
    temperature = _temperature(observed)
    assert temperature == pytest.approx(4, rel=0.1)
    before, after = (
        calibration_error(reliability(softmax(known.logits, t), known.truth))
        for t in (1, temperature)
    )
    assert before > 0.1
    assert after < 0.04


def test_a_temperature_that_was_not_measured_is_not_taken() -> None:
    """Two photos that are right would make every answer as sure as can be."""
    few = made_up(3).labelled
    few = replace(few, truth=few.logits.argmax(axis=1))
    assert _temperature(few) < 0.2
    assert not _helps(few, None)


def test_where_all_are_right_no_temperature_is_measured() -> None:
    observed = made_up(60, sharpness=0.5)
    right = replace(
        observed, truth=np.where(observed.truth < 0, -1, observed.logits.argmax(axis=1))
    )
    figures = _crossed(right, fitted_to(right), 0.98)
    assert figures is not None
    assert figures["made"]["calibration_error_after"] < figures["made"]["calibration_error_before"]
    assert not _helps(right, figures)


def test_what_is_of_one_half_alone_is_not_measured() -> None:
    """What was fitted to the other half would be fitted to another source."""
    photos, drawn = made_up(400), made_up(400, seed=1)
    both = replace(
        photos,
        samples=(
            *(replace(s, source="photos", group="photos/one") for s in photos.samples),
            *drawn.samples,
        ),
        features=np.concatenate([photos.features, drawn.features]),
        logits=np.concatenate([photos.logits, drawn.logits]),
        truth=np.concatenate([photos.truth, drawn.truth]),
    )
    assert _crossed(both, fitted_to(both), 0.98) is None
    order = np.roll(np.arange(800), 400)
    turned = Observed(
        tuple(both.samples[i] for i in order),
        both.features[order],
        both.logits[order],
        both.truth[order],
    )
    assert set(_crossed(turned, fitted_to(turned), 0.98) or ()) == {"made"}


def test_groups_whose_names_are_not_utf8_are_halved() -> None:
    observed = made_up(40)
    samples = tuple(replace(s, group=f"made/caf\udce9-{s.group}") for s in observed.samples)
    half = _first_half(replace(observed, samples=samples))
    assert 8 < half.sum() < 32


def test_the_detector_keeps_what_it_must_and_rejects_the_rest() -> None:
    observed, unseen = made_up(800), made_up(800, seed=1)
    detector = fitted_to(observed)
    assert detector.recognises(observed.labelled.features).mean() >= 0.98
    assert detector.recognises(unseen.labelled.features).mean() > 0.95
    assert detector.recognises(unseen.where(unseen.truth < 0).features).mean() < 0.2


def test_without_pictures_of_nothing_the_nearest_label_decides() -> None:
    observed = made_up(800).labelled
    detector = fit_detector(observed, NONE)
    far = -observed.features
    assert detector.scores(observed.features).mean() > detector.scores(far).mean() + 1


def test_embeddings_that_hardly_differ_give_a_detector_that_can_be_stored() -> None:
    observed = made_up(200)
    alike = Observed(
        observed.samples, 1 + 1e-6 * observed.features, observed.logits, observed.truth
    )
    detector = fit_detector(alike, NONE)
    assert np.isfinite(detector.weights).all()
    assert np.isfinite(_threshold(alike, detector, 0.98))


def test_an_embedding_of_zeros_is_scored() -> None:
    assert np.isfinite(
        fit_detector(made_up(100), NONE).scores(np.zeros((1, FEATURES), np.float32))
    ).all()


def test_a_bundle_is_calibrated_on_photos(
    bare: Path, home: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.training.calibrate.NOTHING", 40)  # pictures: 200 take ten seconds
    for i in range(12):
        (tmp_path / f"{i}.png").write_bytes(encoded(picture(seed=i)))
    table = tmp_path / "photos.csv"
    lines = (drawn / "garments.csv").read_text().splitlines()[1:]
    table.write_text(
        "image_name,category_label\n"
        + "".join(f"{drawn / line.split(',')[0]},{line.split(',')[1]}\n" for line in lines)
        + "".join(f"{i}.png,\n" for i in range(11))
        + "11.png,Sari\ngone.png,Tee\n"
    )
    said: list[str] = []
    identity = read_card(bare).content_sha256
    card = calibrate(Settings(home=home), bare, [table], keep=0.9, log=said.append)
    assert said[0] == "1 photos of labels that the bundle does not know are left out: Sari."
    assert said[1].startswith("1 ")
    assert said[1].endswith("cannot be read and are left out.")
    assert read_card(bare) == card
    assert card.content_sha256 == identity
    assert card.calibration is not None
    assert card.calibration.measured["keep"] == 0.9
    assert 0 < sum(card.calibration.measured["held_out"].values()) <= 33
    for row in (card.calibration.measured["sources"] or {}).values():
        low, high = row["recognised"]["interval_95"]
        assert low <= row["recognised"]["share"] <= high


def test_the_detector_sees_both_of_front_and_back_in_turn(
    bare: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Sample] = []

    def look(encoder: object, samples: list[Sample], *rest: object) -> None:
        seen.extend(samples)
        raise TrainingImpossible

    monkeypatch.setattr("service.training.calibrate.observe", look)
    monkeypatch.setattr("service.training.calibrate.FITTED", 4)
    label = read_card(bare).labels[0]
    photos = [Sample(Path(f"{n}.jpg"), "s", label, str(n)) for n in range(8)]
    with pytest.raises(TrainingImpossible):
        calibrate_on(Settings(home=home), bare, photos, photos)
    assert len(seen) == 4
    assert {int(photo.group) % 2 for photo in seen} == {0, 1}


def test_photos_of_unknown_labels_cannot_calibrate(bare: Path, home: Path, drawn: Path) -> None:
    before = (bare / CARD).read_bytes()
    photos = [Sample(p, "s", "Sari", p.name) for p in sorted(drawn.glob("images/*.jpg"))[:4]]
    with pytest.raises(TrainingImpossible, match="No held-out photo has a label"):
        calibrate_on(Settings(home=home), bare, photos[:2], photos[2:])
    assert (bare / CARD).read_bytes() == before
