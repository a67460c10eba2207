"""What a person gives becomes rows, or an error that names what is wrong."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import UsageError
from core.inference.inputs import read_inputs
from core.inference.messages import Answer, Row, contents, in_text
from core.inference.wire import Incoming, frame
from core.tasks import Task
from core.workspace import Workspace
from tests.inference.conftest import png


def test_images_come_as_files_folders_and_patterns(
    workspace: Workspace, image_task: Task, pictures: Path
) -> None:
    one = read_inputs(workspace, image_task, [str(pictures / "a.png")])
    assert one == [Row(str(pictures / "a.png"), {"image": pictures / "a.png"})]
    folder = read_inputs(workspace, image_task, [pictures])
    assert [Path(row.input).name for row in folder] == ["a.png", "c.png", "b.png"]
    pattern = read_inputs(workspace, image_task, [str(pictures / "**" / "*.png")])
    assert {row.input for row in pattern} == {row.input for row in folder}


@pytest.mark.parametrize(
    ("name", "what", "hint"),
    [
        ("b.pgn", "no such file", "c.png"),
        ("*.jpg", "no file matches", "pattern"),
        ("note.txt", "not an image: this is text", ""),
        ("empty", "holds no image", "image files"),
    ],
)
def test_what_is_no_image_is_named(
    workspace: Workspace, image_task: Task, pictures: Path, name: str, what: str, hint: str
) -> None:
    (pictures / "empty").mkdir()
    (pictures / "more" / "b.png").unlink()
    with pytest.raises(UsageError) as caught:
        read_inputs(workspace, image_task, [str(pictures / name)])
    assert what in caught.value.what
    assert name in caught.value.where
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["pipe.png", "zero.png"])
def test_what_may_never_end_is_refused_wherever_it_is_named(
    workspace: Workspace, image_task: Task, pictures: Path, name: str
) -> None:
    place = pictures / name
    if name == "pipe.png":
        os.mkfifo(place)
    else:
        place.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=r"this is a (pipe|device), not a file"):
        read_inputs(workspace, image_task, [str(place)])
    # Of a folder, a table or an object the rows are made, and read where they are answered.
    listed = pictures / "list.csv"
    listed.write_text(f"image\n{name}\n")
    for given in (pictures, listed):
        rows = read_inputs(workspace, image_task, [given])
        (row,) = [each for each in rows if each.values["image"].name == name]
        with pytest.raises(UsageError, match="not a file"):
            contents(row.values["image"])
    with pytest.raises(UsageError, match="not a file"):
        image_task.row({"image": str(place)})


def test_a_table_may_list_image_files_or_hold_images(
    workspace: Workspace, image_task: Task, pictures: Path
) -> None:
    listed = pictures / "list.csv"
    listed.write_text("image,who\na.png,me\nmore/b.png,you\n")
    rows = read_inputs(workspace, image_task, [listed])
    assert [row.values["image"] for row in rows] == [pictures / "a.png", pictures / "more/b.png"]
    held = pictures / "held.parquet"
    pq.write_table(pa.table({"image": [{"bytes": png(1), "path": "x.png"}]}), held)
    assert read_inputs(workspace, image_task, [held])[0].values == {"image": png(1)}


def test_a_text_is_a_row_and_a_text_file_one_a_line(
    workspace: Workspace, text_task: Task, tmp_path: Path
) -> None:
    said = "so good. 1+1=2, mood=fine?" + " plot" * 200
    assert read_inputs(workspace, text_task, [said]) == [Row(said, {"text": said})]
    # Nobody's home is called so.
    rated = "~5 stars"
    assert read_inputs(workspace, text_task, [rated]) == [Row(rated, {"text": rated})]
    lines = tmp_path / "lines.txt"
    lines.write_text("good film\n\nbad plot\n")
    found = read_inputs(workspace, text_task, [str(lines), "text=a = b"])
    assert [row.values["text"] for row in found] == ["good film", "bad plot", "a = b"]
    with pytest.raises(UsageError, match="no such file") as caught:
        read_inputs(workspace, text_task, [str(tmp_path / "line.txt")])
    assert "lines.txt" in caught.value.hint


@pytest.mark.parametrize(
    "given",
    [
        ["petal length=4.5 colour=dark red"],
        ["petal length=4.5", "colour=dark red"],
        ['petal length="4.5", colour=dark red'],
        ['{"petal length": "4.5", "colour": "dark red", "species": "long"}'],
        [{"colour": "dark red", "petal length": "4.5"}],
    ],
)
def test_pairs_and_objects_are_rows(
    workspace: Workspace, table_task: Task, given: list[object]
) -> None:
    (row,) = read_inputs(workspace, table_task, given)
    values = {"petal length": "4.5", "colour": "dark red"}
    assert row == Row("petal length=4.5 colour=dark red", values, typed=True)


def test_a_column_that_comes_again_begins_a_row(workspace: Workspace, table_task: Task) -> None:
    given = ["petal length=1", "colour=red", "petal length=2", "colour="]
    rows = read_inputs(workspace, table_task, given)
    assert [row.values["petal length"] for row in rows] == ["1", "2"]
    assert rows[1].values["colour"] is None


@pytest.mark.parametrize(
    ("given", "words", "hint"),
    [
        ("petal length=4 color=red", 'no column "color"', 'mean "colour"'),
        ("petal length=4", '"colour", missing', "Write colour= to"),
        ('{"petal length": 4}', '"colour", missing', "Set colour to null"),
        ('{"petal length": 4, "color": "red"}', '"colour", missing', 'mean "color"'),
        ('{"petal length": }', "broken JSON", ""),
        ("red", "neither a row nor a file", "petal length=value"),
        ("flowers", '"flowers" is a data set', "flowers#0-9"),
        ("flowers.csv", "no such file", "a table file"),
        ("flow*.csv", "no file matches", "pattern"),
        ("flowers#99", "no row 99", "60 rows"),
        ("flowers@9#1", "no version 9", ""),
        ("reviews#1", '"petal length", "colour", missing', ""),
        ("flowers#5-", "no row ids", ""),
        ("flowers#0-999999999999", "more than", ""),
    ],
)
def test_wrong_rows_are_refused_by_name(
    workspace: Workspace, table_task: Task, given: str, words: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_inputs(workspace, table_task, [given])
    assert words in caught.value.what
    assert hint in caught.value.hint


def test_a_pattern_may_find_texts_too(
    workspace: Workspace, text_task: Task, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("good film\n")
    (tmp_path / "b.txt").write_text("bad plot\nodd scene\n")
    (tmp_path / "c.csv").write_text("text\nan actor\n")
    found = read_inputs(workspace, text_task, [str(tmp_path / "*.txt")])
    assert [row.values["text"] for row in found] == ["good film", "bad plot", "odd scene"]
    with pytest.raises(UsageError, match="no file matches"):
        read_inputs(workspace, text_task, [str(tmp_path / "z*.txt")])
    assert read_inputs(workspace, text_task, ["what?"])[0].values["text"] == "what?"


def test_rows_of_the_lake_come_by_id(workspace: Workspace, table_task: Task) -> None:
    rows = read_inputs(workspace, table_task, ["flowers@1#5,0-1"])
    assert [row.input for row in rows] == ["flowers@1#5", "flowers@1#0", "flowers@1#1"]
    assert rows[1].values["colour"] == "red"
    assert rows[1].values.keys() == {"petal length", "colour"}


def test_a_line_that_cannot_be_read_spoils_no_other(
    workspace: Workspace, table_task: Task, tmp_path: Path
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("colour,petal length\nred,1.5\nblue,2,3\nwhite,\n")
    rows = read_inputs(workspace, table_task, [table])
    assert [row.input for row in rows] == ["t.csv:2", "t.csv:3", "t.csv:4"]
    assert rows[0].values == {"petal length": "1.5", "colour": "red"}
    assert rows[1].error is not None
    assert "3 fields" in rows[1].error.what
    assert rows[2].values == {"petal length": None, "colour": "white"}
    lines = tmp_path / "t.jsonl"
    lines.write_text('{"colour":"red","petal length":1}\n{"colour":\n7\n{"colour":"blue"}\n')
    rows = read_inputs(workspace, table_task, [lines])
    assert [row.error is None for row in rows] == [True, False, False, True]
    assert rows[3].values == {"petal length": None, "colour": "blue"}
    packed = tmp_path / "t.csv.gz"
    packed.write_bytes(gzip.compress(table.read_bytes()))
    assert len(read_inputs(workspace, table_task, [packed])) == 3


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"color,petal length\nred,1\n", '"colour", missing'),
        ("t.jsonl", b'{"petal length": 1}\n', '"colour", missing'),
        ("t.parquet", b"PAR1 and no more", "damaged"),
        ("t.parquet", b"colour\nred\n", "not what its name says"),
        ("t.csv", b"", "empty"),
        ("t.csv", b"PK\x03\x04 zip", "not what its name says"),
    ],
)
def test_a_wrong_table_file_is_named(
    workspace: Workspace, table_task: Task, tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(Exception, match=r"t\.") as caught:
        read_inputs(workspace, table_task, [str(path)])
    assert words in str(caught.value)


def test_rows_and_answers_travel_as_json(pictures: Path) -> None:
    row = Row("x", {"image": pictures, "raw": b"\0\xff", "n": 3, "many": [1.5, None, float("nan")]})
    (sent,) = Incoming().feed(frame(row.to_json()))
    written = json.loads(json.dumps(row.to_json(), default=in_text))
    for told in (sent, written):
        back = Row.from_json(told)
        assert back.values == {**row.values, "many": [1.5, None, None]}
    for answer in (
        Answer("a", {"label": "cat", "score": 0.5, "scores": {"cat": 0.5, "dog": 0.5}}),
        Answer("b", -2.5),
        Answer("c", error=UsageError("what", where="where", hint="hint")),
    ):
        there = json.loads(json.dumps(answer.to_json()))
        again = Answer.from_json(there)
        assert again.to_json() == answer.to_json()
        assert there.keys() >= {"input", "output"}


def test_reading_inputs_needs_no_torch() -> None:
    code = (
        "import sys, core.inference.inputs, core.inference.process;"
        "sys.exit(bool({'torch', 'duckdb', 'pyarrow', 'textual'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
