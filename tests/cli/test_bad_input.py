"""Bad input from the shell: what, where and what to do; the right code; the lake as it was."""

from __future__ import annotations

import io
import os
import shlex
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from core.data.lake.lake import Lake
from core.workspace import Workspace
from tests.cli.conftest import Said, Shell
from tests.data.conftest import state

Make = Callable[[Path], None]


def png(value: int = 0, side: int = 12) -> bytes:
    held = io.BytesIO()
    pixels = np.random.default_rng(value).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def table(rows: int = 40) -> str:
    return "height,kind\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(rows))


def is_told(said: Said, code: int, what: str, where: str, to_do: str) -> None:
    """The error form: a line or two that say what was wrong, where, and what to do."""
    assert said.code == code, said.err
    first, *rest = said.err[said.err.index("error: ") :].splitlines()
    assert what in first
    assert where in first
    assert to_do in " ".join(rest)
    assert len(rest) <= 2
    assert all(line.startswith("  ") for line in rest), "the hint stands beneath, indented"
    assert "Traceback" not in said.err


@pytest.fixture
def here(lepton: Shell, tmp_path: Path) -> Path:
    """A folder to work in, with a good data set in the lake: "plants"."""
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "plants.csv").write_text(table())
    assert lepton("data", "import", "plants.csv", "--target", "kind", cwd=folder).code == 0
    return folder


@pytest.fixture
def refused(lepton: Shell, here: Path) -> Callable[..., None]:
    """`refused([words], code, what, where, to do)`: the command fails so, and changes nothing."""
    lake = Lake(Workspace(lepton.home))

    def check(words: list[str], code: int, what: str, where: str = "", to_do: str = "") -> None:
        before = state(lake), sorted((lepton.home / "runs").iterdir())
        said = lepton(*words, cwd=here)
        is_told(said, code, what, where, to_do)
        assert said.out == ""
        assert (state(lake), sorted((lepton.home / "runs").iterdir())) == before

    return check


def nothing(path: Path) -> None:
    """The file is missing."""


def half_parquet(path: Path) -> None:
    pq.write_table(pa.table({"a": range(5000)}), path)
    path.write_bytes(path.read_bytes()[:-700])


def half_idx(path: Path) -> None:
    path.mkdir()
    head = struct.pack(">HBB3I", 0, 8, 3, 10, 4, 4)
    (path / "train-images-idx3-ubyte").write_bytes(head + bytes(100))
    labels = struct.pack(">HBB1I", 0, 8, 1, 10) + bytes(10)
    (path / "train-labels-idx1-ubyte").write_bytes(labels)


def half_gzip(path: Path) -> None:
    import gzip

    path.write_bytes(gzip.compress(table(4000).encode())[:-40])


def undecodable_folder(path: Path) -> None:
    for label in "ab":
        (path / label).mkdir(parents=True)
        for number in range(3):
            (path / label / f"{number}.png").write_bytes(png(number)[:-40])


@pytest.mark.parametrize(
    ("name", "make", "code", "what", "to_do"),
    [
        ("plnts.csv", nothing, 2, "no such file or folder", '"plants.csv"'),
        ("empty.csv", Path.touch, 2, "the file is empty", "holds data"),
        ("empty", Path.mkdir, 2, "the folder is empty", "holds data"),
        ("heads.csv", lambda p: p.write_text("a,b\n"), 2, "a header and no rows", "holds data"),
        ("is.parquet", lambda p: p.write_text(table()), 2, "not what its name says", "--format"),
        ("is.csv", lambda p: p.write_bytes(png()), 2, "not what its name says", "--format"),
        ("is.jsonl", lambda p: p.write_text(table()), 2, "not what its name says", "--format"),
        ("half.parquet", half_parquet, 1, "cut short or damaged", "again"),
        ("half", half_idx, 1, "160 bytes of data, it holds 100", "again"),
        ("half.csv.gz", half_gzip, 1, "cut short or damaged", "again"),
        ("half.jsonl", lambda p: p.write_text('{"a": 1\n{"a"\n'), 1, "line 1: broken", ""),
        ("pictures", undecodable_folder, 1, "6 of 6 images cannot be read", ""),
        ("pipe.csv", os.mkfifo, 2, "this is a pipe", "into a file first"),
    ],
)
def test_a_bad_source_is_refused(
    refused: Callable[..., None],
    here: Path,
    name: str,
    make: Make,
    code: int,
    what: str,
    to_do: str,
) -> None:
    make(here / name)
    refused(["data", "import", name], code, what, name, to_do)


@pytest.mark.parametrize(
    ("words", "code", "what", "to_do"),
    [
        (["data", "import", "mnits"], 2, "built-in data set", '"mnist"'),
        (["data", "import", "plants.csv", "--target", "kidn"], 2, '"kidn"', '"kind"'),
        (["data", "import", "plants.csv", "--inputs", "hight"], 2, '"hight"', '"height"'),
        (["data", "import", "plants.csv", "--task", "tabular-regresion"], 2, "no task", "-regress"),
        (["data", "import", "plants.csv", "--format", "cvs"], 2, '"cvs"', '"csv"'),
        (["data", "import", "plants.csv", "--name", "a/b"], 2, "cannot be a name", "a-b"),
        (["data", "import", "plants.csv", "--archive", "x"], 2, "built-in", "mnist"),
        (["data", "import", ""], 2, "no source", "Name a file"),
        (["data", "rm", "plnts", "--yes"], 2, '"plnts"', '"plants"'),
        (["data", "rm", "plants"], 2, "nothing was removed", "--yes"),
        (["data", "split", "plants", "--by", "kidn"], 2, '"kidn"', '"kind"'),
        (["data", "split", "plants", "--test", "1.5"], 2, "no training rows", "fractions"),
        (["train"], 2, "DATASET is missing", "plants"),
        (["train", "mnist"], 2, 'no data set "mnist"', "lepton data import mnist"),
        (["train", "plants", "dropuot=0.1"], 2, '"dropuot". Did you mean "dropout"?', ""),
        (["train", "plants", "--device", "gpu"], 2, "device must be", ""),
        (["train", "plants", "--epochs", "many"], 2, "--epochs", "lepton train --help"),
        (["train", "plants", "--model", "cnn"], 2, "cnn is no model for", "mlp"),
        (["train", "plants", "--config", "plants.csv"], 2, "not TOML", ""),
        (["predict", "plants_mlp", "height=1"], 2, 'no model "plants_mlp"', ""),
        (["runs", "attach", "abcd"], 2, 'no run "abcd"', ""),
    ],
)
def test_a_wrong_word_changes_nothing(
    refused: Callable[..., None], words: list[str], code: int, what: str, to_do: str
) -> None:
    refused(words, code, what, to_do=to_do)


def test_what_lies_beside_a_missing_word_is_looked_for_where_the_person_is(
    lepton: Shell, tmp_path: Path
) -> None:
    (tmp_path / "harvests").mkdir()
    said = lepton("data", "import", "harvest", cwd=tmp_path)
    assert said.code == 2
    assert str(tmp_path / "harvest") in said.err
    assert 'Did you mean "harvests"?' in said.err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["data", "import", "~{}/a.csv"], "no such file or folder"),
        (["data", "import", "plants.csv", "--recipe", "~{}/r.toml"], "the recipe cannot be read"),
        (["data", "clean", "plants", "--recipe", "~{}/r.toml"], "the recipe cannot be read"),
        (["data", "rules", "plants", "--check", "~{}/r.toml"], "the rules cannot be read"),
        (["data", "label", "plants", "--file", "~{}/l.csv"], "No such file"),
        (["data", "export", "plants", "~{}/p.csv"], "no such folder"),
        (["data", "sql", "FROM plants", "--output", "~{}/p.csv"], "no such folder"),
        (["data", "check", "plants", "--save", "~{}/m.toml"], "cannot be written"),
        (["train", "plants", "--config", "~{}/c.toml"], "the settings cannot be read"),
        (["train", "plants", "--model", "~{}/model"], "there is no such folder"),
        (["predict", "~{}/model", "height=1"], "this folder is no model"),
        (["models", "import", "~{}/model"], "there is no such folder"),
        (["data", "ls", "--home", "~{}/home"], "nobody's home"),
    ],
)
def test_a_home_that_is_nobodys_is_an_error_like_another(
    lepton: Shell, here: Path, words: list[str], what: str
) -> None:
    said = lepton(*[word.format("no-such-person") for word in words], cwd=here)
    is_told(said, 2, what, "", "")
    assert "no-such-person" in said.err
    assert {each.name for each in here.iterdir()} == {"plants.csv"}


def test_a_wrong_column_does_not_cost_a_data_set_that_is_there(lepton: Shell) -> None:
    assert lepton("data", "import", "mnist-sample").code == 0
    before = lepton("data", "versions", "mnist-sample", "--json").json
    said = lepton("data", "import", "mnist-sample", "--target", "labl")
    is_told(said, 2, '"labl"', "", '"label"')
    assert lepton("data", "versions", "mnist-sample", "--json").json == before


def test_lines_that_cannot_be_read_are_told_and_the_rest_kept(lepton: Shell, here: Path) -> None:
    (here / "some.csv").write_text(table() + "41\n")
    said = lepton("data", "import", "some.csv", "--json", cwd=here)
    assert said.json["rows"] == 40
    assert [reject["where"] for reject in said.json["rejects"]] == ["line 42"]
    assert "left out: line 42" in said.err


def test_an_image_that_does_not_decode_is_left_out_by_its_path(lepton: Shell, here: Path) -> None:
    for label in "ab":
        (here / "pictures" / label).mkdir(parents=True)
        for number in range(6):
            (here / "pictures" / label / f"{number}.png").write_bytes(png(number))
    (here / "pictures" / "b" / "cut.png").write_bytes(png()[:-40])
    # A pipe among them is no file of anybody's, and reading it would never end.
    os.mkfifo(here / "pictures" / "b" / "pipe.png")
    said = lepton("data", "import", "pictures", "--json", cwd=here)
    assert said.json["rows"] == 12
    assert [reject["where"] for reject in said.json["rejects"]] == ["b/cut.png"]


@pytest.fixture
def pictures(lepton: Shell, here: Path) -> Path:
    """A table of images with their paths, "pictures", one of which does not decode."""
    images = [png(number) for number in range(60)]
    images[7] = images[7][:60]
    columns = {
        "image": images,
        "label": ["ab"[number % 2] for number in range(60)],
        "path": [f"roll/{number}.png" for number in range(60)],
    }
    pq.write_table(pa.table(columns), here / "pictures.parquet")
    assert lepton("data", "import", "pictures.parquet", "--target", "label", cwd=here).code == 0
    return here


def test_training_and_checking_name_the_path_of_a_broken_image(
    lepton: Shell, pictures: Path
) -> None:
    (finding,) = [
        each
        for each in lepton("data", "check", "pictures", "--json").json["findings"]
        if each["kind"] == "undecodable"
    ]
    assert (finding["rows"], finding["examples"]) == (1, [7])
    assert "roll/7.png" in finding["what"]
    said = lepton("train", "pictures", "--epochs", "1", "--device", "cpu")
    is_told(said, 1, "the image cannot be read", "column image, roll/7.png", "lepton data check")
    (run,) = lepton("runs", "ls", "--kind", "train", "--json").json
    assert run["state"] == "failed"
    assert "roll/7.png" in run["error"]["where"]


def test_one_class_is_refused_before_anything_is_made(
    lepton: Shell, here: Path, refused: Callable[..., None]
) -> None:
    (here / "same.csv").write_text(table().replace(",b\n", ",a\n"))
    assert lepton("data", "import", "same.csv", cwd=here).code == 0
    words = ["train", "same", "--target", "kind", "--task"]
    refused([*words, "tabular-classification"], 1, 'one class, "a"', "same@1", "--target")
    (here / "one.csv").write_text(table().replace("a\n", "7\n").replace("b\n", "7\n"))
    assert lepton("data", "import", "one.csv", cwd=here).code == 0
    words = ["train", "one", "--target", "kind", "--task"]
    refused([*words, "tabular-regression"], 1, "one value in all rows", "one@1", "--target")


def test_text_in_a_number_column(lepton: Shell, here: Path, refused: Callable[..., None]) -> None:
    (here / "slip.csv").write_text(table() + "tall,a\n")
    said = lepton("data", "import", "slip.csv", cwd=here)
    assert said.err == 'left out: line 42: "tall" is no whole number\n', "one slip is left out"
    (here / "odd.csv").write_text(table() + 4 * "tall,a\n")
    assert lepton("data", "import", "odd.csv", "--target", "kind", cwd=here).code == 0
    checked = lepton("data", "check", "odd", "--json").json["findings"]
    (finding,) = [each for each in checked if each["kind"] == "text-in-numbers"]
    assert (finding["column"], finding["examples"]) == ("height", [40, 41, 42, 43])
    words = ["train", "odd", "--task", "tabular-regression", "--target", "height"]
    refused(words, 2, "tabular-regression needs", "height (VARCHAR)")


@pytest.mark.slow
def test_what_a_model_cannot_answer_is_named_and_the_rest_answered(
    lepton: Shell, here: Path
) -> None:
    assert lepton("train", "plants", "--epochs", "1", "--device", "cpu").code == 0
    (here / "rows.csv").write_text("height\n3\nxx\n31\n")
    said = lepton("predict", "plants_mlp", "rows.csv", cwd=here)
    assert said.code == 1
    assert [line.split()[0] for line in said.out.splitlines()[1:]] == [
        "rows.csv:2",
        "rows.csv:3",
        "rows.csv:4",
    ]
    assert "rows.csv:3: 'xx' is no number (column height, rows.csv:3)" in said.err
    is_told(said, 1, "1 of 3 inputs have no answer", "", "")
    for words, code, what, to_do in (
        (["hight=3"], 2, '"hight"', '"height"'),
        (["height=x"], 2, "'x' is no number", ""),
        (["plants#7000"], 2, "there is no row 7000", "40 rows"),
        (["plnts#7"], 2, '"plnts"', '"plants"'),
        (["rows.cvs"], 2, '"rows.cvs" is neither a row nor a file', '"rows.csv"'),
        (["--text", "tall"], 2, "--text is for models of texts", ""),
        ([], 2, "nothing to predict", "height=value"),
        (["height=3", "--device", "gpu"], 2, '"gpu"', "cpu"),
    ):
        said = lepton("predict", "plants_mlp", *words, cwd=here)
        is_told(said, code, what, "", to_do)
        assert said.out == ""
    said = lepton("eval", "plants_mlp", "plnts")
    is_told(said, 2, '"plnts"', "", '"plants"')
    said = lepton("eval", "plants_mlp", "--split", "tset")
    is_told(said, 2, '"tset"', "", '"test"')


@pytest.mark.parametrize("written", ["{:02}.03.2024", "week {}"])
def test_what_the_hint_for_a_series_without_dates_says_makes_it_one(
    lepton: Shell, tmp_path: Path, written: str
) -> None:
    rows = [f"{written.format(day)},{day % 7}" for day in range(1, 32)]
    (tmp_path / "sold.csv").write_text("\n".join(["day,sold", *rows]))
    assert lepton("data", "import", tmp_path / "sold.csv").code == 0
    train = ("train", "sold", "--task", "time-series-forecasting", "--dry-run")
    said = lepton(*train)
    is_told(said, 2, "needs a column of dates or times", "day (VARCHAR)", "lepton data clean sold")
    command = said.err[said.err.index("lepton data clean") :]
    assert lepton(*shlex.split(command)[1:]).code == 0
    assert "Nothing was started" in lepton(*train).out


def in_a_file(home: Path) -> Path:
    home.write_text("a file")
    return home


def beneath_a_file(home: Path) -> Path:
    home.write_text("a file")
    return home / "deeper"


def with_a_file_inside(home: Path) -> Path:
    home.mkdir()
    (home / "data").write_text("a file where a folder should be")
    return home


def in_a_system_folder(home: Path) -> Path:
    if not Path("/proc/version").exists():
        pytest.skip("this system has no folder that nobody can write")
    return Path("/proc/lepton-home")


@pytest.mark.parametrize(
    "make", [in_a_file, beneath_a_file, with_a_file_inside, in_a_system_folder]
)
@pytest.mark.parametrize("words", [["data", "ls"], ["train", "plants"], ["runs", "ls"]])
def test_a_workspace_that_cannot_be_written(
    tmp_path: Path, make: Callable[[Path], Path], words: list[str]
) -> None:
    home = make(tmp_path / "home")
    said = Shell(tmp_path)(*words, "--home", home)
    is_told(said, 2, "the workspace cannot be made", str(home), "--home or LEPTON_HOME")
    assert said.out == ""
