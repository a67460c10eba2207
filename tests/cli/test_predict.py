"""What `lepton predict` prints, and with which code it ends."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from core.data.lake.lake import Lake
from core.errors import LeptonError
from core.inference.messages import Answer, Row
from core.workspace import Workspace
from lepton_tui.cli.predict import put_answers
from tests.cli.conftest import Shell
from tests.inference.conftest import digits, flowers, learn, png, publish


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A workspace with a model of images and one of rows, both with random weights."""
    home = tmp_path_factory.mktemp("predict")
    workspace = Workspace.open(home / "home")
    lake = Lake(workspace)
    lake.commit("flowers", flowers(), op="import", target="species")
    lake.commit("digits", digits(), op="import", target="label", media={"image": "image"})
    for name in ("flowers", "digits"):
        publish(workspace, learn(workspace, name), name)
    (home / "a.png").write_bytes(png(1))
    (home / "cut.png").write_bytes(png(2)[:60])
    (home / "rows.csv").write_text("petal length,colour\n4.5,red\nlong,blue\n")
    return Shell(workspace.home)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["flowers", "petal length=4, colour=red"], 0, ""),
        (["flowers", "petal length=long, colour=red"], 2, "'long' is no number"),
        (["flowers", '{"petal length": "long", "colour": "red"}'], 2, "'long' is no number"),
        (["flowers", "petal length=4, colour=red", "petal length=a, colour="], 2, "1 of 2 inputs"),
        (["flowers", "rows.csv"], 1, "rows.csv:3: 'long' is no number"),
        (["flowers"], 2, "Give petal length=value"),
        (["digits"], 2, "Give image files"),
        (["digits", "cut.png"], 1, "cut.png"),
        (["digits", "rows.csv"], 2, '"image", missing here'),
        (["digits", "b.png"], 2, 'Did you mean "a.png"?'),
        (["digits", "digits"], 2, "Name rows of it: digits#0-9"),
    ],
)
def test_it_ends_with_2_where_who_asks_was_wrong(
    asks: Shell, words: list[str], code: int, said: str
) -> None:
    done = asks("predict", *words, cwd=asks.home.parent)
    assert done.code == code, done.err
    assert said in done.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["flowers", "flowers", "--into", ""], 2, "into is missing"),
        (["flowers", "flowers", "--into", "said", "--text", "red"], 2, "--text"),
        (["flowers", "--into", "said"], 2, "answers one data set"),
        (["flowers", "flowers", "flowers", "--into", "said"], 2, "answers one data set"),
        (["flowers", "flower", "--into", "said"], 2, 'Did you mean "flowers"?'),
        (["flowers", "digits", "--into", "said"], 2, '"petal length"'),
        (["flowers", "flowers", "--into", "No Name"], 2, "cannot be a name"),
        (["flowers", "flowers", "--split", "test"], 2, "--into"),
        (["flowers", "flowers", "--into", "said", "--split", "test"], 2, "split"),
    ],
)
def test_what_cannot_be_answered_into_a_data_set_starts_no_run(
    asks: Shell, words: list[str], code: int, said: str
) -> None:
    done = asks("predict", *words)
    assert done.code == code, done.err
    assert said in done.err
    assert asks("runs", "ls", "--json").json == []


def test_into_a_data_set_it_ends_with_1_and_says_what_failed(asks: Shell) -> None:
    lengths = pa.table({"petal length": ["1.5", "many"], "colour": ["red", "blue"]})
    Lake(Workspace.open(asks.home)).commit("mixed", lengths, op="import")
    done = asks("predict", "flowers", "mixed", "--into", "mixed-said")
    assert done.code == 1, "as into a file: a script must not take it for whole"
    assert "1 of 2 inputs have no answer" in done.err
    assert "Made mixed-said@1: 2 rows, 1 row without an answer (column error)" in done.out
    assert re.search(r"^mixed@1#1: 'many' is no number", done.err, re.MULTILINE)
    only = done.out.partition("Next: lepton ")[2].strip()
    assert [row["_rid"] for row in asks(*shlex.split(only), "--json").json] == [1]
    (run,) = asks("runs", "ls", "--json").json
    assert (run["kind"], run["state"]) == ("predict", "finished")
    shown = asks("data", "rows", "mixed-said", "--json").json
    assert "no number (column petal length, row 1)" in shown[1]["error"]
    # A model that is damaged by the time its run begins: the run fails, and so does the command.
    weights = asks.home / "models" / "flowers" / "1" / "model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:100])
    try:
        done = asks("predict", "flowers", "mixed", "--into", "never")
    finally:
        weights.write_bytes(kept)
    assert done.code == 1, done.err
    assert "never" not in {each["name"] for each in asks("data", "ls", "--json").json}


def written(path: Path) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        return connection.sql(f"SELECT * FROM '{path}'").to_arrow_table().to_pylist()


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_folder_and_a_pattern_are_answered_into_a_file(
    asks: Shell, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"said.{ending}"
    done = asks("predict", "digits", "*.png", "a.png", "--out", out, cwd=asks.home.parent)
    assert done.code == 1, "cut.png has no answer"
    assert "1 of 3 inputs have no answer" in done.err
    assert "cut.png: the image cannot be read" in done.err
    found = written(out)
    assert [row["input"] for row in found] == ["a.png", "cut.png", "a.png"]
    assert [row["error"] is None for row in found] == [True, False, True]
    assert found[1]["prediction"] is None
    (one,) = asks("predict", "digits", "a.png", "--json", cwd=asks.home.parent).json
    assert str(found[0]["prediction"]) == one["output"]["label"]
    assert found[0]["score"] == pytest.approx(one["output"]["score"], abs=1e-6)
    scores = found[0]["scores"]
    scores = json.loads(scores) if isinstance(scores, str) else scores
    assert scores == pytest.approx(one["output"]["scores"], abs=1e-6)


def test_a_table_file_is_answered_beside_its_columns(asks: Shell, tmp_path: Path) -> None:
    out = tmp_path / "said.parquet"
    done = asks("predict", "flowers", "rows.csv", "--out", out, "--json", cwd=asks.home.parent)
    assert done.code == 1
    assert json.loads(done.out) | {"file": ""} == {
        "file": "",
        "model": "flowers",
        "rows": 2,
        "asked": 2,
        "failed": 1,
    }
    good, bad = written(out)
    assert list(good) == [
        "input",
        "prediction",
        "score",
        "scores",
        "petal length",
        "colour",
        "error",
    ]
    assert (good["input"], good["petal length"], good["colour"]) == ("rows.csv:2", "4.5", "red")
    assert "'long' is no number" in bad["error"]


def test_what_is_there_is_replaced_only_by_force(asks: Shell, tmp_path: Path) -> None:
    out = tmp_path / "said.csv"
    out.write_text("mine\n")
    for words in (["a.png"], ["digits"]):
        done = asks("predict", "digits", *words, "--out", out, cwd=asks.home.parent)
        assert (done.code, out.read_text()) == (2, "mine\n")
        assert "--force replaces it" in done.err
    # An input that is missing is found out when its turn comes: what was there stays then, too.
    named = ["predict", "digits", "a.png", "b.png", "--force", "--out", out]
    done = asks(*named, cwd=asks.home.parent)
    assert (done.code, out.read_text()) == (2, "mine\n")
    assert 'Did you mean "a.png"?' in done.err
    assert list(tmp_path.iterdir()) == [out]
    done = asks("predict", "digits", "a.png", "--force", "--out", out, cwd=asks.home.parent)
    assert (done.code, len(written(out))) == (0, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["flowers", "rows.csv", "--out", "said.xyz"], "the ending does not tell the format"),
        (["flowers", "rows.csv", "--out", ""], "the ending does not tell the format"),
        (["flowers", "rows.csv", "--out", "none/said.csv"], "no such folder"),
        (["flowers", "rows.csv", "--force"], "--force goes with --out"),
        (["flowers", "flowers", "--out", "said.csv", "--into", "said"], "not both"),
        (["flowers", "flowers", "--out", "said.xyz"], "the ending does not tell the format"),
        (["flowers", "empty.csv", "--out", "said.csv"], "there are no rows to answer"),
    ],
)
def test_what_cannot_be_written_is_not_begun(asks: Shell, words: list[str], said: str) -> None:
    folder = asks.home.parent
    (folder / "empty.csv").write_text("petal length,colour\n")
    before = {*folder.iterdir()}
    done = asks("predict", *words, cwd=folder)
    assert done.code == 2, done.err
    assert said in done.err
    assert {*folder.iterdir()} == before


def test_a_data_set_is_answered_out_to_a_file_by_a_run(asks: Shell, tmp_path: Path) -> None:
    out = tmp_path / "said.jsonl"
    done = asks("predict", "flowers", "flowers", "--out", "said.jsonl", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "said.jsonl: 60 rows" in done.out
    found = written(out)
    assert list(found[0])[:4] == ["prediction", "score", "scores", "petal length"]
    assert [row["species"] for row in found] == flowers()["species"].to_pylist()
    lengths = pa.table({"petal length": ["1.5", "many"], "colour": ["red", "blue"]})
    Lake(Workspace.open(asks.home)).commit("mixed-out", lengths, op="import")
    done = asks("predict", "flowers", "mixed-out", "--force", "--out", "said.jsonl", cwd=tmp_path)
    assert done.code == 1
    assert "1 of 2 inputs have no answer" in done.err
    assert "mixed-out@1#1: 'many' is no number" in done.err
    assert len(written(out)) == 2
    texts = [str(at) if at % 3 else "many" for at in range(30)]
    many = pa.table({"petal length": texts, "colour": ["red"] * 30})
    Lake(Workspace.open(asks.home)).commit("more-out", many, op="import")
    done = asks("predict", "flowers", "more-out", "--force", "--out", "said.jsonl", cwd=tmp_path)
    told = re.findall(r"^more-out@1#(\d+): ", done.err, re.MULTILINE)
    assert told == ["0", "3", "6", "9", "12"]
    assert "… and 5 more" in done.err


@pytest.mark.slow
def test_a_wrong_answer_goes_back_to_what_the_model_learnt_from(asks: Shell) -> None:
    home = Workspace(asks.home)
    publish(home, learn(home, "flowers"), "mistaken", dataset="flowers")
    done = asks("predict", "mistaken", "flowers#1", "--correct", "long")
    assert (done.code, done.err) == (0, "Made flowers@2: 1 row labelled as long\n")
    done = asks("predict", "mistaken", "petal length=4, colour=red", "--correct", "long", "--json")
    assert done.json[0]["corrected"] == "flowers@3#60"
    assert asks("predict", "mistaken", "flowers#60", "--json").json[0]["truth"] == "long"
    for words, said in (
        (["flowers#1", "--correct", "lonk"], 'Did you mean "long"'),
        (["rows.csv", "--correct", "long"], "1 of 2 inputs"),
        (["flowers", "--into", "said", "--correct", "long"], "do not go together"),
    ):
        done = asks("predict", "mistaken", *words, cwd=asks.home.parent)
        assert done.code > 0
        assert said in done.err
    assert asks("data", "versions", "flowers", "--json").json[0]["version"] == 3


def put(capsys: pytest.CaptureFixture[str], rows: list[Row], *outputs: object) -> list[str]:
    named = zip(rows, outputs, strict=True)
    put_answers(rows, [Answer(row.input, output) for row, output in named])
    return capsys.readouterr().out.splitlines()


def test_an_empty_answer_and_an_empty_input_are_seen(capsys: pytest.CaptureFixture[str]) -> None:
    told = put(capsys, [Row("a.wav"), Row("")], {"text": " "}, {"text": "one"})
    assert [line.split("  ", 1)[0] for line in told] == ["input", "a.wav", '""']
    assert told[1].endswith("  nothing said")


def test_of_a_long_path_its_end_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    paths = [Path("/pictures" * 9) / f"{name}.png" for name in "ab"]
    rows = [Row(str(path), {"image": path}) for path in paths]
    told = put(capsys, rows, *[{"label": "bird", "score": 0.5, "scores": {}}] * 2)
    assert max(map(len, told)) <= 60
    assert [line.split()[0][-6:] for line in told[1:]] == ["/a.png", "/b.png"]
    assert told[1].startswith("…")
    monkeypatch.delenv("COLUMNS")
    told = put(capsys, rows[:1], {"label": "bird", "score": 0.5, "scores": {}})
    assert told[1].startswith(str(paths[0])), "nothing is cut in a pipe"


def test_a_long_answer_is_not_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    said = "and so it was that all of them " * 100
    told = put(capsys, [Row("It was"), Row("")], {"text": said}, {"text": "short"})
    assert max(map(len, told)) <= 60
    assert " ".join(" ".join(told).split()) == f'input It was answer {said}input "" answer short'


def test_an_input_without_an_answer_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("a"), Row("b")]
    put_answers(rows, [Answer("a", {"text": "yes"}), Answer("b", error=LeptonError("cut short"))])
    assert capsys.readouterr().out.splitlines()[2] == "b      ✗ no answer"
