"""Versions from the shell: split, diff, tag, restore, lineage, rm and gc."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Shell


@pytest.fixture
def plants(lepton: Shell, tmp_path: Path) -> Shell:
    source = tmp_path / "plants.csv"
    rows = "".join(f"{n},{n % 6},{'ab'[n % 2]}\n" for n in range(60))
    source.write_text("height,plot,kind\n" + rows)
    assert lepton("data", "import", source, "--target", "kind").code == 0
    return lepton


def test_every_way_to_split(plants: Shell) -> None:
    by_time = plants("data", "split", "plants", "--time", "height", "--json").json
    assert by_time["splits"] == {"train": 48, "validation": 6, "test": 6}
    assert by_time["params"]["way"] == "time"
    folds = plants("data", "split", "plants@1", "--folds", "3", "--group", "plot")
    assert "plants@3: fold 0 20, fold 1 20, fold 2 20" in folds.out
    fold = plants("data", "split", "plants", "--fold", "2", "--json").json
    assert fold["splits"] == {"train": 20, "validation": 20, "test": 20}
    hashed = plants("data", "split", "plants@1", "--hash", "_rid", "--seed", "3", "--json").json
    assert sum(hashed["splits"].values()) == 60
    wrong = plants("data", "split", "plants", "--time", "height", "--hash", "plot")
    assert (wrong.code, "do not go together" in wrong.err) == (2, True)


def test_a_split_tells_of_rows_that_leak(lepton: Shell, tmp_path: Path) -> None:
    source = tmp_path / "twins.csv"
    source.write_text("height,kind\n" + "".join(f"{n // 2},{'ab'[n % 2]}\n" for n in range(80)))
    lepton("data", "import", source, "--target", "kind")
    said = lepton("data", "split", "twins", "--seed", "3")
    assert "equal to a row of another split" in said.out
    assert "lepton data clean twins@2 --step 'drop-duplicates columns=height'" in said.out
    (leak,) = lepton("data", "split", "twins@1", "--json").json["leakage"]
    assert (leak["kind"], leak["severity"]) == ("leak", "error")
    apart = lepton("data", "split", "twins@1", "--group", "height")
    assert "No row is equal or nearly equal to one of another split." in apart.out
    history = lepton("data", "check", "twins", "--history", "--json").json
    assert [(note["dataset"], note["kind"], note["errors"]) for note in history] == [
        ("twins@4", "split", 0),
        ("twins@3", "split", 1),
        ("twins@2", "split", 1),
    ]
    unchecked = lepton("data", "split", "twins@1", "--no-check", "--json").json
    assert unchecked["leakage"] is None


def test_diff_of_the_last_two_and_of_two_named(plants: Shell) -> None:
    alone = plants("data", "diff", "plants")
    assert (alone.code, "has one version" in alone.err) == (2, True)
    plants("data", "split", "plants", "--seed", "1")
    plants("data", "split", "plants@1", "--seed", "2")
    last = plants("data", "diff", "plants", "--json").json
    assert (last["old"], last["new"]) == ("plants@2", "plants@3")
    assert list(last["cells"]) == ["split"]
    shown = plants("data", "diff", "plants@1")
    assert "plants@1 → plants@3" in shown.out
    assert "+ column split  varchar" in shown.out
    on = plants("data", "diff", "plants@2", "plants@3", "--on", "height", "--examples", "1")
    assert on.code == 0
    assert "Rows are told by height." in on.err
    assert plants("data", "diff", "plants@2", "plants@3", "--on", "plot").code == 2


def test_tags_restore_and_lineage(plants: Shell) -> None:
    plants("data", "split", "plants")
    tagged = plants("data", "tag", "plants@1", "raw")
    assert tagged.out == "plants@raw is plants@1\n"
    assert plants("data", "show", "plants@raw", "--json").json["version"] == 1
    assert plants("data", "restore", "plants").code == 2
    restored = plants("data", "restore", "plants@raw", "--json").json
    assert (restored["version"], restored["columns"]) == (3, ["height", "plot", "kind"])
    listed = plants("data", "versions", "plants", "--json").json
    assert [(v["version"], v["step"], v["tags"]) for v in listed] == [
        (3, "restore of plants@1", []),
        (2, "split 80/10/10 by kind", []),
        (1, "import plants.csv", ["raw"]),
    ]
    assert all(v["author"] and v["created"] for v in listed)
    assert "raw" in plants("data", "versions", "plants").out
    up = plants("data", "lineage", "plants", "--json").json
    assert [each["ref"] for each in up["ancestors"]] == ["plants@1"]
    assert up["ancestors"][0]["readers"][0]["how"] == "made"
    drawn = plants("data", "lineage", "plants@1").out
    assert "into\n" in drawn
    assert "plants@2  split 80/10/10 by kind" in drawn
    assert plants("data", "untag", "plants", "raw").code == 0
    assert plants("data", "show", "plants@raw").code == 2


@pytest.mark.slow
def test_rm_and_gc_ask_and_spare(plants: Shell) -> None:
    for seed in range(3):
        plants("data", "split", "plants@1", "--seed", seed)
    plants("data", "tag", "plants@2", "best")
    refused = plants("data", "rm", "plants@best", "--yes")
    assert (refused.code, 'the tag "best" is on plants@2' in refused.err) == (2, True)
    assert plants("data", "gc", "--json").json["versions"] == [], "younger than 30 days"
    planned = plants("data", "gc", "--keep", "1", "--dry-run", "--json").json
    assert planned["versions"] == ["plants@3", "plants@1"]
    assert plants("data", "gc", "--keep", "1").code == 2, "a script must say --yes"
    plants("data", "check", "plants@1")
    freed = plants("data", "gc", "--keep", "1", "--yes", "--json").json
    assert freed == planned | {"dry_run": False}
    assert [v["version"] for v in plants("data", "versions", "plants", "--json").json] == [4, 2]
    assert plants("data", "rm", "plants@best", "--yes", "--force").code == 0
    assert "plants@1 (gone)" in plants("data", "check", "plants", "--history").out
    assert plants("data", "gc", "--older", "soon").code == 2


def test_an_export_to_a_workbook_is_read_back(plants: Shell, tmp_path: Path) -> None:
    done = plants("data", "export", "plants", tmp_path / "out.xlsx", "--json").json
    assert (done["format"], done["rows"]) == ("excel", 60)
    back = plants("data", "import", tmp_path / "out.xlsx", "--name", "back", "--json").json
    assert (back["rows"], back["columns"]) == (60, ["height", "plot", "kind"])
    assert plants("data", "diff", "plants", "back", "--json").json["rows"]["added"] == 0
