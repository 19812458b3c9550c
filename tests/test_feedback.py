"""Feedback from an answer to a training set without leakage."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image as Pillow
from sqlalchemy import text

from service import feedback
from service.catalog import Loader, analyse, store_feedback
from service.decode import Limits
from service.errors import StorageUnavailable
from service.settings import Settings
from service.studio import Studio
from service.training.data import read_samples
from service.training.held_out import split

from .catalog.samples import clustered, row
from .pictures import png_header
from .test_cli import assert_one_line, called, run


@pytest.fixture
def settings(settings: Settings, drawn: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("FASHION_STUDIO_IMAGE_ROOT", str(drawn))
    return settings.model_copy(update={"image_root": str(drawn)})


@pytest.fixture
def pictures(
    environment: dict[str, str], studio: Studio, drawn: Path, tmp_path: Path
) -> list[Path]:
    """33 garments of drawn pictures, by id; the second nearly shows what the first does."""
    files = sorted(drawn.glob("images/*.jpg"))
    vectors = clustered(len(files), 3)
    vectors[1] = vectors[0] * 1.01
    Loader(studio.engine, studio.model_id).write(
        [
            row(
                file.relative_to(drawn).as_posix(),
                label="Dress" if at % 2 else "Tee",
                label_source="given",
                predicted_label="Dress",
                embedding=vector,
                content_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
            )
            for at, (file, vector) in enumerate(zip(files, vectors, strict=True))
        ]
    )
    similarity = studio.settings.duplicate_similarity
    analyse(studio.engine, duplicate_similarity=similarity, folder=tmp_path)
    return files


def read(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as table:
        return list(csv.DictReader(table))


def test_train_reads_what_is_exported_and_splits_no_group(
    studio: Studio, pictures: list[Path], tmp_path: Path
) -> None:
    for query in range(3, 33, 2):  # fifteen pairs: every fifth is a bad one
        store_feedback(
            studio.engine, query + 1, "bad" if query % 5 == 0 else "good", query_id=query
        )
    store_feedback(studio.engine, 3, "good", query_id=1)
    store_feedback(studio.engine, 31, "good", query_id=2)  # 1 and 2 are near-duplicates
    out = tmp_path / "judged"
    said = json.loads(run("feedback", "export", out, "--json").stdout)
    assert (said["pairs"], said["undecided"], said["missing"]) == (17, 0, 0)
    table = read(out / "feedback.csv")
    assert len(table) == said["pictures"] == 32
    assert list(table[0]) == ["image_name", "category_label", "group", "alike"]
    for line in table:
        digest = Path(line["image_name"]).stem
        assert hashlib.sha256((out / line["image_name"]).read_bytes()).hexdigest() == digest
    by_name = {line["image_name"]: line for line in table}
    pairs = read(out / "pairs.csv")
    for pair in pairs:
        one, other = by_name[pair["image_name"]], by_name[pair["match_name"]]
        assert one["group"] == other["group"] == pair["group"]
        assert (one["alike"] == other["alike"] != "") == (pair["verdict"] == "good")

    def group_of(at: int) -> str:
        digest = hashlib.sha256(pictures[at - 1].read_bytes()).hexdigest()
        (line,) = (line for name, line in by_name.items() if digest in name)
        return line["group"]

    assert group_of(1) == group_of(2) == group_of(3) == group_of(31)
    assert group_of(5) != group_of(7)
    samples = read_samples([out / "feedback.csv"], groups=["photographer", "group"])
    assert {sample.group for sample in samples} == {f"feedback/{line['group']}" for line in table}
    assert {sample.label for sample in samples} == {"Tee", "Dress"}
    assert all(sample.file.exists() for sample in samples)
    training, held_out = split(samples)
    assert held_out
    assert {s.group for s in training}.isdisjoint({s.group for s in held_out})
    assert any("alike" in sample.columns for sample in samples)


def test_uploaded_photos_are_known_by_their_bytes(
    studio: Studio, pictures: list[Path], real_photos: Path, tmp_path: Path
) -> None:
    photo = next(real_photos.glob("images/*.jpg"))
    digest = hashlib.sha256(photo.read_bytes()).hexdigest()
    store_feedback(studio.engine, 4, "good", query_sha256=digest)
    out = tmp_path / "judged"
    without = run("feedback", "export", out)
    assert "1 pairs are left out: a picture is not to be had." in without.stderr
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    shutil.copy(photo, uploads / "renamed.jpg")
    said = json.loads(run("feedback", "export", out, "--photos", uploads, "--json").stdout)
    assert (said["pairs"], said["pictures"], said["missing"]) == (1, 2, 0)
    labels = {
        Path(line["image_name"]).stem: line["category_label"] for line in read(out / "feedback.csv")
    }
    assert labels[digest] == ""
    assert [s.label for s in read_samples([out / "feedback.csv"]) if digest in s.file.name] == [
        None
    ]


def test_photos_that_cannot_be_read_are_left_out_and_counted(
    pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    shutil.copy(pictures[0], tmp_path / "there.jpg")
    done = run("feedback", "export", tmp_path / "judged", "--photos", tmp_path)
    assert done.returncode == 0
    assert f"1 photos of {tmp_path} cannot be read and are left out." in done.stderr
    said = json.loads(
        run("feedback", "export", tmp_path / "judged", "--photos", tmp_path, "--json").stdout
    )
    assert said["unreadable"] == 1


def test_uploads_that_show_nearly_the_same_are_one_group(
    studio: Studio, pictures: list[Path], drawn: Path, real_photos: Path, tmp_path: Path
) -> None:
    """As another upload, as a garment, and as a garment's near-duplicate; another photo is not."""
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    photos = sorted(real_photos.glob("images/*.jpg"))
    seen = studio.predict(studio.decode(photos[1].read_bytes())).embedding
    with studio.engine.begin() as connection:  # the second garment, near-duplicate of the first
        connection.execute(
            text("UPDATE garment SET embedding = CAST(:seen AS halfvec(2048)) WHERE id = 2"),
            {"seen": str(seen.tolist())},
        )

    def upload(photo: Path, name: str, match_id: int, quality: int = 90) -> str:
        Pillow.open(photo).convert("RGB").save(uploads / name, quality=quality)
        digest = hashlib.sha256((uploads / name).read_bytes()).hexdigest()
        store_feedback(studio.engine, match_id, "good", query_sha256=digest)
        return digest

    one = upload(photos[0], "one.jpg", 5)
    other = upload(photos[0], "again.jpg", 7, quality=80)
    as_second = upload(photos[1], "second.jpg", 9)
    stranger = upload(photos[2], "stranger.jpg", 11)
    cut_off = photos[3].read_bytes()[:2000]
    (uploads / "broken.jpg").write_bytes(cut_off)
    broken = hashlib.sha256(cut_off).hexdigest()
    store_feedback(studio.engine, 15, "good", query_sha256=broken)
    (uploads / "notes.jpg").write_bytes(b"no picture, whatever its name says")
    notes = hashlib.sha256((uploads / "notes.jpg").read_bytes()).hexdigest()
    store_feedback(studio.engine, 3, "good", query_sha256=notes)
    store_feedback(studio.engine, 13, "good", query_id=1)
    out = tmp_path / "judged"
    said = json.loads(run("feedback", "export", out, "--photos", uploads, "--json").stdout)
    assert (said["pairs"], said["pictures"], said["missing"]) == (6, 12, 1)
    group = {Path(line["image_name"]).stem: line["group"] for line in read(out / "feedback.csv")}
    first = hashlib.sha256(pictures[0].read_bytes()).hexdigest()
    assert group[one] == group[other]
    assert group[as_second] == group[first]
    assert (
        len({group[one], group[as_second], group[stranger], group[broken]}) == said["groups"] == 4
    )


@pytest.fixture
def root(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The image root, with pictures of the test's own."""
    root = Path(shutil.copytree(drawn, tmp_path / "root"))
    monkeypatch.setenv("FASHION_STUDIO_IMAGE_ROOT", str(root))
    return root


def test_a_tie_and_a_picture_that_changed_are_left_out(
    studio: Studio, pictures: list[Path], drawn: Path, root: Path, tmp_path: Path
) -> None:
    store_feedback(studio.engine, 4, "good", query_id=3)
    store_feedback(studio.engine, 3, "bad", query_id=4)
    store_feedback(studio.engine, 6, "good", query_id=5)
    shutil.copy(pictures[9], root / pictures[4].relative_to(drawn))
    said = json.loads(run("feedback", "export", tmp_path / "judged", "--json").stdout)
    assert (said["pairs"], said["undecided"], said["missing"]) == (0, 1, 1)


def test_a_picture_is_had_from_whichever_garment_still_has_it(
    studio: Studio, pictures: list[Path], drawn: Path, root: Path, tmp_path: Path
) -> None:
    digest = hashlib.sha256(pictures[2].read_bytes()).hexdigest()
    for name in ("again.jpg", "once more.jpg"):
        shutil.copy(pictures[2], root / name)
        copy = row(name, label="Dress", label_source="given", content_sha256=digest)
        Loader(studio.engine, studio.model_id).write([copy])
    (root / pictures[2].relative_to(drawn)).unlink()
    shutil.copy(pictures[9], root / "again.jpg")  # another picture by now
    store_feedback(studio.engine, 4, "good", query_id=3)
    out = tmp_path / "judged"
    said = json.loads(run("feedback", "export", out, "--json").stdout)
    assert (said["pairs"], said["pictures"], said["missing"]) == (1, 2, 0)
    assert digest in {Path(line["image_name"]).stem for line in read(out / "feedback.csv")}


def test_a_full_disk_leaves_what_was_exported_before(
    studio: Studio, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "judged"
    store_feedback(studio.engine, 4, "good", query_id=3)
    assert called("feedback", "export", str(out)).returncode == 0
    store_feedback(studio.engine, 6, "good", query_id=5)
    tables = {name: (out / name).read_bytes() for name in ("feedback.csv", "pairs.csv")}
    write = feedback._write

    def full(file: Path, head: tuple[str, ...], rows: list[tuple]) -> None:
        write(file, head, rows)
        if "verdict" in head:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(feedback, "_write", full)
    assert_one_line(called("feedback", "export", str(out)), 1, "There is no room for")
    assert {name: (out / name).read_bytes() for name in tables} == tables
    assert list(out.rglob("*.draft")) == []


def test_a_store_that_is_out_of_reach_leaves_what_was_exported_before(
    studio: Studio, pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "judged"
    store_feedback(studio.engine, 4, "good", query_id=3)
    assert called("feedback", "export", str(out)).returncode == 0
    tables = {name: (out / name).read_bytes() for name in ("feedback.csv", "pairs.csv")}

    def away(*_: object) -> bytes:
        raise StorageUnavailable("The store does not answer.")

    monkeypatch.setattr("service.images.folder.FolderImages.read", away)
    assert_one_line(called("feedback", "export", str(out)), 1, "The store does not answer.")
    assert {name: (out / name).read_bytes() for name in tables} == tables


@pytest.mark.parametrize("reads", [0, 2], ids=["looked at", "embedded"])
def test_uploads_on_a_disk_that_is_away_leave_what_was_exported_before(
    studio: Studio,
    pictures: list[Path],
    real_photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reads: int,
) -> None:
    """reads: of the upload before the disk goes: it is looked at, copied, embedded."""
    uploads, out = tmp_path / "uploads", tmp_path / "judged"
    uploads.mkdir()
    photo = Path(shutil.copy(next(real_photos.glob("images/*.jpg")), uploads))
    store_feedback(
        studio.engine, 4, "good", query_sha256=hashlib.sha256(photo.read_bytes()).hexdigest()
    )
    export = ("feedback", "export", str(out), "--photos", str(uploads))
    assert called(*export).returncode == 0
    tables = {name: (out / name).read_bytes() for name in ("feedback.csv", "pairs.csv")}
    whole, seen = feedback.read, []

    def away(file: Path, limits: Limits) -> bytes:
        seen.append(file)
        if len(seen) > reads:
            raise StorageUnavailable("The disk is away.")
        return whole(file, limits)

    monkeypatch.setattr(feedback, "read", away)
    assert_one_line(called(*export), 1, "The disk is away.")
    assert len(seen) == reads + 1
    assert {name: (out / name).read_bytes() for name in tables} == tables


def test_a_picture_that_is_there_is_left_alone_and_half_of_one_is_made_whole(
    studio: Studio, pictures: list[Path], tmp_path: Path
) -> None:
    store_feedback(studio.engine, 4, "good", query_id=3)
    assert called("feedback", "export", str(tmp_path)).returncode == 0
    whole, half = sorted((tmp_path / "images").iterdir())
    data, made = half.read_bytes(), whole.stat()
    half.write_bytes(data[:1000])
    assert called("feedback", "export", str(tmp_path)).returncode == 0
    assert half.read_bytes() == data
    assert (whole.stat().st_ino, whole.stat().st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


def test_a_photo_of_too_many_pixels_is_not_to_be_had(
    studio: Studio, pictures: list[Path], tmp_path: Path
) -> None:
    photo = png_header(20_000, 10_000)
    (tmp_path / "photo.png").write_bytes(photo)
    store_feedback(studio.engine, 4, "good", query_sha256=hashlib.sha256(photo).hexdigest())
    out = str(tmp_path / "judged")
    done = called("feedback", "export", out, "--photos", str(tmp_path), "--json")
    assert done.returncode == 0
    said = json.loads(done.stdout)
    assert (said["pairs"], said["missing"], said["unreadable"]) == (0, 1, 0)


def test_without_feedback_the_tables_are_empty(pictures: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "judged"
    assert run("feedback", "export", out).returncode == 0
    assert read(out / "feedback.csv") == read(out / "pairs.csv") == []
    (tmp_path / "file").write_text("in the way")
    assert_one_line(run("feedback", "export", tmp_path / "file" / "x"), 2, "cannot be written")
