"""Photos that show no garment: said so by every question, and never taken in unasked."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from pydantic import TypeAdapter
from sqlalchemy import text

from service import Counter, Recommender, schemas
from service.cli import main
from service.encoder.bundle import SHIPPED, read_card
from service.encoder.calibration import Detector, read_detector
from service.encoder.write import write_calibration
from service.gates import report_gates
from service.ingest import ingest
from service.settings import Settings
from service.studio import Studio
from service.web.app import create_app
from tests.pictures import encoded, picture

WORDS = "No garment was recognised. Give the photo a label to take it in all the same."


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped bundle with a threshold that nothing reaches."""
    folder = Path(shutil.copytree(SHIPPED, tmp_path_factory.mktemp("strict") / "bundle"))
    detector = read_detector(folder, read_card(folder).calibration)
    assert detector is not None
    never = Detector(detector.weights, detector.bias, threshold=1e6)
    write_calibration(
        folder, read_card(folder).content_sha256, temperature=1.0, detector=never, measured={}
    )
    return folder


@pytest.fixture
def root(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the drawn garments, to which a test may add."""
    return Path(shutil.copytree(drawn, tmp_path / "root"))


@pytest.fixture
def settings(settings: Settings, strict: Path, root: Path) -> Settings:
    return settings.model_copy(update={"model": strict, "image_root": str(root)})


@pytest.fixture
def filled(studio: Studio, root: Path) -> Studio:
    """33 garments whose labels were given: they are taken in whatever the network thinks."""
    assert ingest(studio, root / "garments.csv").added == 33
    return studio


@pytest.fixture
def photo(drawn: Path) -> Path:
    return sorted(drawn.glob("images/*.jpg"))[4]


@pytest.fixture
def client(filled: Studio) -> FlaskClient:
    return create_app(filled).test_client()


def form(path: Path, field: str = "image") -> dict:
    return {"data": {field: (io.BytesIO(path.read_bytes()), path.name)}}


def test_similar_searches_nothing_unless_told_to(client: FlaskClient, photo: Path) -> None:
    for query in ("", "?mass=0.9"):
        answer = client.post(f"/api/v1/similar{query}", **form(photo))
        assert answer.status_code == 200
        found = schemas.Recommendation.model_validate(answer.get_json())
        assert (found.query.label, found.query.recognised) == (None, False)
        assert len(found.query.labels) == 11
        assert (found.matches, found.searched_labels, found.returned) == ([], [], 0)
    for label, searched in (("any", 11), ("Tee,Dress", 2)):
        answer = client.post(f"/api/v1/similar?label={label}", **form(photo)).get_json()
        assert answer["query"]["recognised"] is False
        assert answer["matches"]
        assert len(answer["searched_labels"]) == searched


def test_a_relation_that_is_not_there_is_told_also_where_nothing_is_searched(
    client: FlaskClient, filled: Studio, photo: Path
) -> None:
    answer = client.post("/api/v1/similar?among=in_stock", **form(photo))
    assert (answer.status_code, answer.get_json()["code"]) == (400, "among_unknown")
    with filled.engine.begin() as connection:
        connection.execute(text("CREATE TABLE among_in_stock AS SELECT image_path FROM garment"))
    answer = client.post("/api/v1/similar?among=in_stock", **form(photo))
    assert (answer.status_code, answer.get_json()["matches"]) == (200, [])


def test_a_garment_of_the_catalog_is_always_recognised(client: FlaskClient) -> None:
    answer = client.get("/api/v1/garments/1/similar").get_json()
    assert answer["query"]["recognised"] is True
    assert answer["query"]["label"] == answer["searched_labels"][0]
    assert answer["matches"]


def test_classify_has_guesses_and_no_label(client: FlaskClient, photo: Path) -> None:
    answer = client.post("/api/v1/classify", **form(photo)).get_json()
    assert (answer["label"], answer["recognised"]) == (None, False)
    assert answer["confidence"] == answer["labels"][0]["confidence"]


def test_a_set_lists_the_photo_and_does_not_count_it(client: FlaskClient, photo: Path) -> None:
    answer = client.post("/api/v1/sets", **form(photo, "images"))
    assert answer.status_code == 201
    body = answer.get_json()
    (image,) = body["images"]
    assert set(image) == {"filename", "label", "confidence", "recognised"}
    assert (image["label"], image["recognised"]) == (None, False)
    assert 0 < image["confidence"] < 1
    assert body["top"] == []
    assert client.get(f"/api/v1/sets/{body['id']}").get_json() == body


def test_a_garment_is_added_only_with_a_label(client: FlaskClient, tmp_path: Path) -> None:
    path = tmp_path / "new.png"
    path.write_bytes(encoded(picture(200, 260)))
    refused = client.post("/api/v1/garments", **form(path))
    assert (refused.status_code, refused.get_json()["code"]) == (422, "garment_unrecognised")
    assert refused.get_json()["detail"] == WORDS
    sent = form(path)
    sent["data"]["label"] = "Tee"
    added = client.post("/api/v1/garments", **sent)
    assert added.status_code == 201
    garment = TypeAdapter(schemas.Garment).validate_python(added.get_json())
    assert (garment.label, garment.label_source) == ("Tee", "given")


def test_ingest_sets_it_aside_where_the_label_would_be_the_networks(
    studio: Studio, root: Path
) -> None:
    summary = ingest(studio, root / "garments.csv", labels="predicted")
    assert (summary.added, len(summary.rejects)) == (0, 33)
    assert summary.rejects[0]["reason"] == WORDS


def test_gates_count_it_as_a_label_that_was_not_searched(filled: Studio, drawn: Path) -> None:
    report = report_gates(filled, [drawn / "garments.csv"])
    gates = {gate.name: gate for gate in report.gates}
    assert (gates["auto"].opened, gates["any"].opened) == (0, 33)
    auto = gates["auto"].as_dict()
    assert (auto["ms_p50"], auto["right_matches"], auto["some_right_match"]) == (None, None, 0)
    assert gates["any"].as_dict()["some_right_match"] > 0


def test_the_command_says_it_in_a_sentence(
    environment: dict[str, str],
    strict: Path,
    filled: Studio,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("FASHION_STUDIO_MODEL", str(strict))

    def said(*arguments: str | Path) -> str:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        assert stop.value.code == 0
        return capsys.readouterr().out

    sentence = "no garment recognised; --label any asks for the nearest all the same."
    assert said("similar", photo, "--show", tmp_path / "sheet.png") == f"{photo}: {sentence}\n"
    assert (tmp_path / "sheet.png").exists()
    assert "no garment recognised; guesses" in said("similar", photo, "--label", "any")
    assert "no garment recognised" in said("classify", photo)
    (image,) = json.loads(said("classify", photo, "--json"))["images"]
    assert (image["label"], image["recognised"]) == (None, False)
    found = json.loads(said("top", photo, "--json", "--show", tmp_path / "top.png"))
    assert (found["top"], found["images"][0]["label"]) == ([], None)
    assert (tmp_path / "top.png").exists()


def test_in_a_notebook_there_is_no_label(filled: Studio, settings: Settings, photo: Path) -> None:
    recommender = Recommender(settings)
    _, pictures, label = recommender.get_similar(photo)
    assert (pictures, label) == ([], None)
    assert recommender.show().size[0] > 500
    _, pictures, label = recommender.get_similar(photo, 2, label="any")
    assert (len(pictures), label) == (2, None)
    counter = Counter(settings)
    assert counter.count(img_paths=[photo]) == []
    assert counter.images[0][1] is None
    assert counter.show().size[0] > 500
