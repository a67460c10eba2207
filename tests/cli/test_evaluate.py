"""`lepton eval`: thresholds and their exit codes, two models, slices, one JSON document."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest

from tests.cli.conftest import Shell


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A workspace with a good model of plants, and one that has hardly learnt."""
    home = tmp_path_factory.mktemp("judged")
    lepton = Shell(home / "home")
    chance = random.Random(1)
    source = home / "plants.csv"
    with source.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["height", "leaf", "kind"])
        for _ in range(500):
            tall = chance.random() < 0.5
            height = chance.gauss(24 if tall else 12, 4)
            rows.writerow([f"{height:.1f}", chance.choice("abc"), "tree" if tall else "herb"])
    assert lepton("data", "import", source, "--name", "plants", "--target", "kind").code == 0
    for name, *settings in (("good", "epochs=8"), ("poor", "epochs=1", "lr=1e-6")):
        done = lepton("train", "plants", "--name", name, *settings)
        assert done.code == 0, done.err
    return lepton


@pytest.mark.slow
def test_a_metric_that_is_reached_ends_with_0_and_one_that_is_not_with_1(judged: Shell) -> None:
    reached = judged("eval", "good", "--fail-under", "accuracy=60%", "--fail-under", "loss=5")
    assert reached.code == 0, reached.err
    missed = judged("eval", "poor", "--fail-under", "accuracy=0.99", "--fail-under", "loss=0.001")
    assert missed.code == 1
    assert "accuracy is " in missed.err
    assert " under 0.99; loss is " in missed.err
    assert " over 0.001 (poor@1)" in missed.err
    assert "Report: " in missed.out, "what was found is told all the same"


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["--fail-under", "acuracy=0.9"], 'no metric "acuracy"', 'Did you mean "accuracy"?'),
        (["--fail-under", "accuracy"], "names no metric and number", "accuracy=0.95"),
        (["--slice", "hight"], 'no column "hight"', 'Did you mean "height"?'),
        (["--slice", "height >"], "no condition", "Such as"),
        (["--against", "goodd"], 'no model "goodd"', 'Did you mean "good"?'),
    ],
)
def test_what_is_asked_wrongly_ends_with_2(
    judged: Shell, words: list[str], said: str, hint: str
) -> None:
    done = judged("eval", "good", *words)
    assert done.code == 2
    assert said in done.err
    assert hint in done.err
    assert done.out == ""


def test_two_models_are_held_against_each_other(judged: Shell) -> None:
    done = judged("eval", "good", "--against", "poor", "--slice", "leaf", "--slice", "height > 18")
    assert done.code == 0, done.err
    for part in ("Against poor@1", "McNemar's exact test of accuracy", "By leaf", "By height > 18"):
        assert part in done.out, done.out
    assert "good@1 is better than poor@1" in done.out


def test_one_document_has_it_all_even_below_a_threshold(judged: Shell) -> None:
    words = ("--against", "poor", "--slice", "leaf", "--fail-under", "accuracy=1", "--json")
    done = judged("eval", "good", *words)
    assert done.code == 1
    judged_again = judged("eval", "good", *words[:-3], "--json").json
    assert {"model", "dataset", "split", "metrics", "baseline"} <= judged_again.keys()
    low, high = judged_again["intervals"]["accuracy"]
    assert low <= judged_again["metrics"]["accuracy"] <= high
    assert [each["slice"] for each in judged_again["slices"]]
    assert judged_again["against"]["verdict"] == "better"
    folder = Path(judged_again["report"])
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    assert (folder / "report.md").read_text().startswith("# good@1 on plants@2")
