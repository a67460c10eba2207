"""What `lepton predict` prints, and with which code it ends."""

from __future__ import annotations

from pathlib import Path

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
