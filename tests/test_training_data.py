"""Which photos are learnt from, which are held out, and what belongs together."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import InvalidParameter
from service.training.data import Sample, names_of, read_samples, some_of, telling
from service.training.held_out import doubts, split


def test_sources_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "garments.csv").write_text("image_name,garment\n1.jpg,0\n")
    tables = [tmp_path / folder / "garments.csv" for folder in ("a", "b")]
    assert list(names_of([*tables, tables[0]])) == ["garments", "garments-2", "garments-3"]
    like = [
        Path("2023/labels.csv"),
        Path("labels-2.csv"),
        Path("2024/labels.csv"),
        Path("labels.csv"),
    ]
    assert list(names_of(like)) == ["labels", "labels-2", "labels-3", "labels-4"]
    samples = read_samples(tables, garment="garment")
    assert len({s.garment for s in samples}) == len({s.group for s in samples}) == 2


def test_a_group_of_several_sources_falls_on_one_side(tmp_path: Path) -> None:
    """What else the tables have is apart: photos without the column, values of another one, garments."""
    tables = []
    for name, column in (("one", "by"), ("other", "by"), ("third", "garment")):
        (tmp_path / name).mkdir()
        lines = [f"{i}.jpg,{i % 25}\n" for i in range(100)]
        tables.append(tmp_path / name / f"{name}.csv")
        tables[-1].write_text(f"image_name,{column}\n" + "".join(lines) + "alone.jpg,\n")
    samples = read_samples(tables, groups=["by", "garment"], garment="by")
    sides = split(samples)
    by = [{s.columns["by"] for s in side if "by" in s.columns} for side in sides]
    assert by[0].isdisjoint(by[1])
    assert 3 <= len(by[1]) <= 7
    assert len({s.group for s in samples}) == 25 + 25 + 3
    assert len({s.garment for s in samples}) == 25 + 25 + 101 + 2
    again = split(read_samples(tables[::-1], groups=["by", "garment"]))[1]
    assert {s.file for s in again} == {s.file for s in sides[1]}


def test_no_value_of_any_group_column_is_split(tmp_path: Path) -> None:
    """A photographer has garments, and a garment may have been photographed by two."""
    table = tmp_path / "t.csv"
    lines = [f"{i}.jpg,{i // 10},{(i * 7) % 50 if i < 95 else ''}\n" for i in range(400)]
    table.write_text("image_name,photographer,garment\n" + "".join(lines[:100] + lines[300:]))
    sides = split(read_samples([table], groups=["photographer", "garment"]))
    for column in ("photographer", "garment"):
        training, held = ({s.columns.get(column) for s in side} - {None} for side in sides)
        assert training.isdisjoint(held)
    assert sides[1]


def test_a_column_that_no_photo_has_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("image_name,photographer\n1.jpg,Ann\n")
    assert read_samples([table], groups=["photographer", "group"])
    for how in ({"groups": ["photograper"]}, {"garment": "photograper"}):
        with pytest.raises(InvalidParameter, match=r"photograper. Columns are: photographer"):
            read_samples([table], **how)  # type: ignore[arg-type]


def test_what_speaks_against_a_split_is_said(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(
        "image_name,sender,garment\n" + "".join(f"{i}.jpg,{i},{i // 2}\n" for i in range(40))
    )
    groups = ["sender", "garmnet"]
    sides = split(read_samples([table], groups=groups, garment="garment"))
    misspelt, apart = doubts(*sides, groups, "garment")
    assert misspelt == "No photo has the column garmnet: it holds nothing together."
    assert apart.endswith("flatter: --group garment holds them together.")
    groups = ["sender", "garment"]
    sides = split(read_samples([table], groups=groups, garment="garment"))
    assert list(doubts(*sides, groups, "garment")) == []


def test_what_stands_for_no_garment_is_not_for_one_side_to_decide() -> None:
    """Feedback without a label shows garments, and who labelled some photos `none` has said so."""
    none = Sample(Path("hat.jpg"), "photos", None, "1", outlier=True)
    tee, unknown = (Sample(Path("a.jpg"), "photos", label, "2") for label in ("Tee", None))
    assert telling([tee, none], [unknown, tee]) == [[tee, none], [tee]]
    assert telling([tee], [unknown]) == [[tee], [unknown]]


def test_some_of_a_table_that_deals_its_categories_in_turn_are_of_all() -> None:
    dealt = [number % 11 for number in range(3300)]
    some = some_of(dealt, 300)
    assert (len(some), set(some)) == (300, set(range(11)))
    assert some_of(range(9), 300) == list(range(9))
    assert some_of(range(999), 5) == sorted(some_of(range(999), 5))


def test_copies_of_a_file_fall_on_one_side(tmp_path: Path) -> None:
    samples = []
    for source in ("one", "other"):
        (tmp_path / source).mkdir()
        for i in range(40):
            file = tmp_path / source / f"{i}.jpg"
            file.write_bytes(b"%03d" % i)
            samples.append(Sample(file, source, "Tee", f"{source}/{i}"))
    training, held_out = split(samples)
    assert {s.file.name for s in training}.isdisjoint(s.file.name for s in held_out)
    assert 12 <= len(held_out) <= 20
    assert split(samples) == (training, held_out)
