"""The whole path from the shell, with --json, on data that no sample holds."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Shell


def path_of(lepton: Shell, source: Path, name: str, model: str, *settings: str) -> dict:
    """Import, train and evaluate; the evaluation."""
    imported = lepton("data", "import", source, "--name", name, "--json").json
    assert imported["name"] == name
    assert [each["name"] for each in lepton("data", "ls", "--json").json] == [name]
    run = lepton("train", name, "--model", model, *settings, "--json").json
    assert run["state"] == "finished"
    assert run["model"] == f"{name}_{model}@1"
    runs = lepton("runs", "ls", "--json").json
    assert [(each["kind"], each["state"]) for each in runs[1:]] == [("import", "finished")]
    assert runs[0]["id"] == run["id"]
    report = lepton("eval", run["model"], "--json").json
    assert report["split"] == "test"
    return {"task": imported["task"], **report}


@pytest.mark.slow
def test_a_table(lepton: Shell, tmp_path: Path) -> None:
    chance = random.Random(1)
    source = tmp_path / "plants.csv"
    with source.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["height", "leaf", "kind"])
        for _ in range(400):
            tall = chance.random() < 0.5
            height = chance.gauss(30 if tall else 10, 3)
            rows.writerow([f"{height:.1f}", chance.choice("abc"), "tree" if tall else "herb"])
    report = path_of(lepton, source, "plants", "mlp", "--target", "kind", "--epochs", "8")
    assert report["task"] == "tabular-classification"
    assert report["metrics"]["accuracy"] > max(0.9, report["baseline"]["accuracy"])
    answers = lepton("predict", "plants_mlp", "height=31", "leaf=a", "--json").json
    assert answers[0]["output"]["label"] == "tree"
    assert set(answers[0]["output"]["scores"]) == {"tree", "herb"}


@pytest.mark.slow
def test_a_folder_of_images(lepton: Shell, tmp_path: Path) -> None:
    chance = np.random.default_rng(2)
    for label, channel in (("red", 0), ("blue", 2)):
        folder = tmp_path / "colours" / label
        folder.mkdir(parents=True)
        for number in range(60):
            pixels = chance.integers(0, 120, (16, 16, 3), np.uint8)
            pixels[..., channel] += 120
            Image.fromarray(pixels).save(folder / f"{number}.png")
    report = path_of(lepton, tmp_path / "colours", "colours", "cnn", "--epochs", "6")
    assert report["task"] == "image-classification"
    assert report["metrics"]["accuracy"] > max(0.9, report["baseline"]["accuracy"])
    some = tmp_path / "colours" / "red" / "0.png"
    (answer,) = lepton("predict", "colours_cnn", some, "--json").json
    assert answer["input"] == str(some)
    assert answer["output"]["label"] == "red"


def test_an_export_is_a_file_for_others_and_for_us(lepton: Shell, tmp_path: Path) -> None:
    source, out = tmp_path / "plants.csv", tmp_path / "out.jsonl"
    source.write_text("height,kind\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(50)))
    assert lepton("data", "import", source).code == 0
    done = lepton("data", "export", "plants", out, "--json").json
    assert done == {"path": str(out), "format": "jsonl", "rows": 50, "notes": []}
    again = lepton("data", "export", "plants", out)
    assert again.code == 2
    assert "--force replaces it" in again.err
    assert lepton("data", "export", "plants", out, "--force", "--columns", "kind").code == 0
    assert lepton("data", "import", out, "--name", "back", "--json").json["columns"] == ["kind"]


@pytest.mark.slow
def test_texts(lepton: Shell, tmp_path: Path) -> None:
    chance = random.Random(3)
    good, bad = ["lovely", "tasty", "fresh", "superb"], ["stale", "awful", "bitter", "broken"]
    filler = ["the", "box", "came", "on", "a", "day", "and", "we", "all", "had", "some", "tea"]
    source = tmp_path / "notes.csv"
    with source.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["note", "mood"])
        for number in range(400):
            kind = good if number % 2 else bad
            words = [chance.choice(filler) for _ in range(12)] + chance.sample(kind, 2)
            chance.shuffle(words)
            rows.writerow([" ".join(words), "good" if number % 2 else "bad"])
    report = path_of(lepton, source, "notes", "lstm", "--epochs", "6")
    assert report["task"] == "text-classification"
    assert report["metrics"]["accuracy"] > max(0.9, report["baseline"]["accuracy"])
    text = "the tea was tasty and superb with some of it in the box"
    (answer,) = lepton("predict", "notes_lstm", "--text", text, "--json").json
    assert answer["output"]["label"] == "good"


@pytest.mark.parametrize(
    ("words", "code", "what", "hint"),
    [
        (["data", "import", "nowhere.csv"], 2, "nowhere.csv", ""),
        (["data", "show", "plant"], 2, 'no data set "plant"', 'Did you mean "plants"?'),
        (["data", "rows", "plants", "--columns", "hight"], 2, "hight", '"height"'),
        (["data", "rows", "plants", "--ofset", "3"], 2, "--ofset", "--offset"),
        (["train", "plants", "--model", "mpl"], 2, "mpl", "mlp"),
        (["train", "plants", "--target", "kinds"], 2, "kinds", '"kind"'),
        (["train", "plants", "--target", "same"], 1, "one class", ""),
        (["train", "plants", "epoch=3"], 2, "epoch", "epochs"),
        (["eval", "nothing"], 2, 'no model "nothing"', ""),
        (["predict", "nothing", "x"], 2, 'no model "nothing"', ""),
        (["runs", "stop", "nothing"], 2, "nothing", ""),
        (["dta"], 2, "dta", "data"),
    ],
)
def test_a_wrong_call_says_what_and_what_to_do(
    lepton: Shell, tmp_path: Path, words: list[str], code: int, what: str, hint: str
) -> None:
    source = tmp_path / "plants.csv"
    lines = [f"{n},{'ab'[n % 2]},1" for n in range(40)]
    source.write_text("\n".join(["height,kind,same", *lines]) + "\n")
    assert lepton("data", "import", source, "--target", "kind").code == 0
    before = lepton("data", "versions", "plants", "--json").json
    said = lepton(*words)
    assert said.code == code, said.err
    assert said.out == "" or code == 1
    assert said.err.count("Traceback") == 0
    assert "error: " in said.err
    assert what in said.err
    assert hint in said.err
    if code == 2:
        assert lepton("data", "versions", "plants", "--json").json == before


def test_light_commands_load_nothing_heavy(lepton: Shell) -> None:
    import subprocess
    import sys

    lepton("data", "ls")
    for words in (["--help"], ["data", "ls"]):
        code = (
            "import sys; from lepton_tui.__main__ import main; main(sys.argv[1:]);"
            "heavy = {'torch', 'textual', 'duckdb', 'numpy', 'pyarrow'} & set(sys.modules);"
            "sys.exit(f'loaded {heavy}' if heavy else 0)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            env=lepton.env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_demo_twice(lepton: Shell) -> None:
    for attempt in (1, 2):
        said = lepton("demo")
        assert said.code == 0, said.err
        assert f"mnist-sample_cnn@{attempt}" in said.out
        assert "Try next" in said.out
        report = lepton("eval", f"mnist-sample_cnn@{attempt}", "--json").json
        assert report["rows"] == 1000
        assert report["metrics"]["accuracy"] >= 0.95


@pytest.mark.slow
def test_the_demo_as_one_document(lepton: Shell) -> None:
    said = lepton("demo", "--json")
    assert said.json["model"] == "mnist-sample_cnn@1"
    assert said.json["metrics"]["accuracy"] > said.json["baseline"]["accuracy"] + 0.5
    assert "Try next" in said.err
