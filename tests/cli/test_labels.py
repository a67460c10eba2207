"""Labels from the shell: one by one, from a file, taken back, published, and never lost unsaid."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image

from core.data.lake.lake import Lake
from core.workspace import Workspace
from tests.cli.conftest import SCRIPT, Shell

WRONG: list[tuple[list[str], int, str]] = [
    (["--column", "split", "--new", "0=banana"], 2, "is no part of a split: those are train"),
    (["20=a", "21=b"], 2, "there is no row 20, 21 (plants@1)"),
    (["a=20"], 2, '"a=20" labels no row'),
    (["3"], 2, '"3" labels no row'),
    ([], 2, "there are no labels"),
    (["3=x", "--column", "heigth"], 2, 'Did you mean "height"? --new'),
    (["3=x", "--column", "height"], 2, '"x" does not fit "height", which holds bigint'),
    (["3=a", "--source", "oracle"], 2, '"oracle" labels nothing'),
    (["3=a", "--score", "2"], 2, "--score"),
    (["3=a", "--publish"], 2, "--publish goes without labels"),
    (["--publish", "--undo"], 2, "--undo and --publish do not go together"),
    (["--undo", "many"], 2, "takes the number of labels"),
    (["--undo", "0"], 2, "takes the number of labels"),
    (["--undo"], 2, "there is no label of yours"),
    (["--publish"], 2, "no labels wait to be published"),
    (["--file", "nowhere.csv"], 2, "cannot be read: No such file"),
    (["--file", "."], 2, "cannot be read"),
    (["--file", "latin.csv"], 1, "it is not UTF-8 text (latin.csv)"),
    (["--file", "odd.csv"], 1, 'error: "x" is no row id (odd.csv, line 2)'),
]


@pytest.fixture
def plants(lepton: Shell, tmp_path: Path) -> Shell:
    source = tmp_path / "plants.csv"
    source.write_text("height,kind\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(20)))
    assert lepton("data", "import", source, "--target", "kind").code == 0
    return lepton


def test_what_waits_is_told_of_the_version_that_it_waits_for(plants: Shell) -> None:
    plants("data", "label", "plants", "3=b", "4=b")
    plants("data", "label", "plants", "--publish")
    said = plants("data", "label", "plants@1", "5=one\nmore")
    assert "Wait to be published: 1 for kind. lepton data label plants --publish" in said.err
    assert 'not in kind until now: "one\u23cemore"\n' in said.err
    (shown,) = plants("data", "label", "plants@1", "--show", "--json").json["labels"]
    assert shown["row"] == 5


def test_labels_of_rows_that_are_not_the_newest_are_published_there(
    plants: Shell, tmp_path: Path
) -> None:
    (tmp_path / "plants.csv").write_text("height,kind\n1,a\n2,b\n")
    plants("data", "import", tmp_path / "plants.csv", "--target", "kind")
    said = plants("data", "label", "plants@1", "5=c")
    assert "lepton data label plants@1 --publish" in said.err
    done = plants("data", "label", "plants@1", "--publish", "--json").json
    assert (done["labels"], done["parents"]) == ({"kind": 1}, ["plants@1"])


def test_objects_are_labelled_with_objects(lepton: Shell) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    thing = '[{"label": "cat", "bbox": [1, 2, 3, 4]}]'
    rows = pa.table({"image": [picture.getvalue()] * 2, "objects": [thing, "[]"]})
    Lake(Workspace.open(lepton.home)).commit(
        "cats", rows, op="import", media={"image": "image"}, target="objects"
    )
    for wrong in ("cat", "[1]", '[{"label": "cat", "bbox": [1, 2, 3]}]'):
        said = lepton("data", "label", "cats", f"1={wrong}")
        assert said.code == 2
        assert "lists no objects" in said.err
    assert lepton("data", "label", "cats", f"1={thing}", "0=").code == 0


def test_labels_are_given_shown_taken_back_and_published(plants: Shell) -> None:
    said = plants("data", "label", "plants", "3=b", "4=c=d", "5=")
    assert (said.code, said.out) == (0, "plants@1: 3 labels for kind\n")
    assert 'not in kind until now: "c=d"' in said.err
    assert "Wait to be published: 3 for kind." in said.err
    assert "lepton data label plants --undo 3" in said.err
    shown = plants("data", "label", "plants", "--show", "--json").json
    assert [(each["row"], each["value"], each["source"]) for each in shown["labels"]] == [
        (3, "b", "human"),
        (4, "c=d", "human"),
        (5, None, "human"),
    ]
    assert "wait to be published" in plants("data", "show", "plants").out
    assert plants("data", "show", "plants", "--json").json["waiting"] == {"kind": 3}
    undone = plants("data", "label", "plants", "--undo")
    assert undone.out == "row 5: kind no label taken back\n"
    assert 'row 4: kind "c=d" taken back' in plants("data", "label", "plants", "--undo", "1").out
    assert plants("data", "label", "plants", "--undo", "--by", "ben").code == 2
    done = plants("data", "label", "plants", "--publish")
    assert done.out == "kind: 1 label, over what was there\nplants@2: 20 rows, 2 columns\n"
    assert plants("data", "versions", "plants", "--json").json[0]["step"] == "label kind of 1 row"
    assert plants("data", "rows", "plants", "--offset", "3", "--limit", "1", "--json").json == [
        {"_rid": 3, "height": 3, "kind": "b"}
    ]
    assert plants("data", "diff", "plants", "--json").json["cells"] == {}, "row 3 was a b before"
    assert plants("data", "undo", "plants").code == 0
    again = plants("data", "label", "plants", "--publish", "--json").json
    assert (again["version"], again["labels"], again["gone"]) == (4, {"kind": 1}, [])


def test_labels_from_a_file_and_from_a_pipe(plants: Shell, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(
        "_rid,label,score\n" + "".join(f"{n},leafy,0.{n % 9}\n" for n in range(20)) + "3,,\n"
    )
    words = ("data", "label", "plants", "--column", "looks", "--new", "--json")
    said = plants(*words, "--file", file, "--source", "model", "--by", "net@1").json
    assert said == {
        "dataset": "plants@1",
        "column": "looks",
        "labels": 20,
        "passed_over": 1,
        "unseen": ["leafy"],
        "waiting": 20,
    }
    piped = subprocess.run(
        [SCRIPT, *words, "--file", "-"],
        input='{"_rid": 7, "label": "bare"}\n',
        env=plants.env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"labels": 1' in piped.stdout
    plants("data", "label", "plants", "--publish")
    asked = plants(
        "data", "sql", "SELECT looks, count(*) AS n FROM plants GROUP BY 1 ORDER BY 1", "--json"
    )
    assert asked.json["rows"] == [["bare", 1], ["leafy", 19]]


@pytest.mark.slow
def test_a_wrong_call_changes_nothing(plants: Shell, tmp_path: Path) -> None:
    (tmp_path / "latin.csv").write_bytes("3,Müller\n".encode("latin-1"))
    (tmp_path / "odd.csv").write_text("3,a\nx,b\n")
    for words, code, said in WRONG:
        answer = plants("data", "label", "plants", *words, cwd=tmp_path)
        assert (answer.code, answer.out) == (code, ""), words
        assert said in answer.err
        assert "Traceback" not in answer.err
    assert plants("data", "label", "plants", "--show", "--json").json["labels"] == []
    assert len(plants("data", "versions", "plants", "--json").json) == 1


def test_labels_that_wait_are_not_lost_unsaid(plants: Shell, tmp_path: Path) -> None:
    plants("data", "label", "plants", "3=b")
    refused = plants("data", "rm", "plants", "--yes")
    assert refused.code == 2
    assert "labels of plants@1 wait to be published (1)" in refused.err
    other = tmp_path / "other" / "plants.csv"
    other.parent.mkdir()
    other.write_text("height,kind\n1,a\n2,b\n3,a\n")
    again = plants("data", "import", other, "--name", "plants")
    assert "Labels wait for other rows: 1 for those of plants@1." in again.err
    assert "lepton data label plants@1 --publish" in again.err
    assert "for those of plants@1" in plants("data", "label", "plants", "--show").err
    freed = plants("data", "gc", "--keep", "1", "--yes", "--json").json
    assert freed["versions"] == [], "labels wait for its rows"
    assert plants("data", "rm", "plants@1", "--yes").code == 2
    assert plants("data", "rm", "plants@2", "--yes").code == 0
    assert plants("data", "rm", "plants", "--yes", "--force").code == 0


def test_without_a_target_the_column_must_be_named(lepton: Shell, tmp_path: Path) -> None:
    source = tmp_path / "notes.txt"
    source.write_text(
        "".join(f"the rain of day {n} fell on the hills and {n * 7} sheep\n" for n in range(40))
    )
    lepton("data", "import", source, "--name", "notes")
    bare = lepton("data", "label", "notes", "0=x")
    assert (bare.code, "--column" in bare.err) == (2, True)
    labels = [f"{n}={'even' if n % 2 == 0 else 'odd'}" for n in range(40)]
    assert lepton("data", "label", "notes", "--column", "sort", "--new", *labels).code == 0
    done = lepton("data", "label", "notes", "--publish", "--json").json
    assert (done["task"], done["target"]) == ("text-classification", "sort")
