"""Notes, tags, comparing and exporting from a shell."""

from __future__ import annotations

import pytest

from core.runs.run import Run
from core.workspace import Workspace
from tests.cli.conftest import Shell
from tests.screens.walk import FAILED, FINISHED, PLAN, make_run, step_event, training

PAIR = ("aaaa", "bbbb")


@pytest.fixture
def pair(lepton: Shell) -> list[Run]:
    """Two runs, the second of which failed."""
    workspace = Workspace.open(lepton.home)
    return [
        make_run(
            workspace,
            f"train-2020011{at}-120000-{name}",
            [*training(4), *end],
            spec={"dataset": "penguins", "lr": 0.1 * (at + 1), "epochs": 4},
            created=f"2020-01-1{at}T12:00:00+00:00",
        )
        for at, (name, end) in enumerate(zip(PAIR, (FINISHED, FAILED), strict=True))
    ]


def test_two_runs_are_compared(lepton: Shell, pair: list[Run]) -> None:
    said = lepton("runs", "compare", *PAIR)
    assert said.code == 0
    lines = [line.split() for line in said.out.splitlines()]
    assert ["val/accuracy", "0.95*", "0.875"] in lines
    assert ["lr", "0.1", "0.2"] in lines
    assert "2 settings are the same in all of them." in said.out
    told = lepton("runs", "compare", *PAIR, "--json").json
    assert told["settings"] == {"lr": {pair[0].id: 0.1, pair[1].id: 0.2}}
    assert [run["state"] for run in told["runs"]] == ["finished", "failed"]
    alone = lepton("runs", "compare", "aaaa", "aaaa")
    assert (alone.code, alone.out) == (2, "")
    assert "Name two runs or more" in alone.err


def test_a_run_is_found_by_its_tag(lepton: Shell, pair: list[Run]) -> None:
    assert lepton("runs", "note", "aaaa", "flips [b]help[/b]", "#best").out == (
        "flips [b]help[/b] #best\n"
    )
    assert lepton("runs", "tag", "bbbb", "worst", "#seen").out == "#worst #seen\n"
    assert lepton("runs", "tag", "bbbb", "--remove", "worst", "--json").json["tags"] == ["seen"]
    [found] = lepton("runs", "ls", "--tag", "best", "--json").json
    assert (found["id"], found["note"], found["tags"]) == (
        pair[0].id,
        "flips [b]help[/b]",
        ["best"],
    )
    newest = lepton("runs", "ls", "--limit", "1", "--json").json
    assert [run["id"] for run in newest] == [pair[1].id]
    assert "There is no such run" in lepton("runs", "ls", "--tag", "none").err
    wrong = lepton("runs", "tag", "aaaa", "two words")
    assert (wrong.code, wrong.out) == (2, "")
    assert lepton("runs", "note", "aaaa", "").out == "#best\n"


def test_a_run_is_exported(lepton: Shell, pair: list[Run]) -> None:
    said = lepton("runs", "export", "aaaa", "--json", cwd=lepton.home)
    assert said.json["path"] == str(lepton.home / f"{pair[0].id}.csv")
    again = lepton("runs", "export", "aaaa", cwd=lepton.home)
    assert (again.code, "something is there already" in again.err) == (2, True)
    assert lepton("runs", "export", "aaaa", "--force", cwd=lepton.home).code == 0
    found = lepton("runs", "export", "aaaa", "--to", "tensorboard", "--out", "a b", cwd=lepton.home)
    assert f"Open it: tensorboard --logdir '{lepton.home}/a b'" in found.err
    assert "There are: csv" in lepton("runs", "export", "aaaa", "--to", "x").err


def test_in_a_pipe_a_long_epoch_is_told_step_by_step(lepton: Shell) -> None:
    steps = [{**step_event(step), "epoch": 1, "grad_norm": 0.5} for step in range(1, 91)]
    answers = (("Adelie", "✓"), ("[b]Gentoo[/b]", "✗"))
    examples = [
        {"row": at, "truth": "Adelie", "input": "", "answer": {"label": label, "score": 0.75}}
        for at, (label, _) in enumerate(answers)
    ]
    epoch = {"event": "epoch", "epoch": 1, "step": 90, "metrics": {"val/loss": 0.5}}
    samples = {"event": "samples", "epoch": 1, "step": 90, "examples": examples}
    begin = [{"event": "state", "state": "running", "pid": 1}, {**PLAN, "epochs": 1}]
    make_run(
        Workspace.open(lepton.home),
        "train-20200110-120000-cccc",
        [*begin, *steps, epoch, samples, *FINISHED],
    )
    told = lepton("runs", "attach", "cccc").out.splitlines()
    lines = [line for line in told if line.startswith("epoch 1/1")]
    assert [line.split()[3] for line in lines[:-1]] == [f"{n}0/90" for n in range(1, 10)]
    assert "loss 0.2278" in lines[6]
    assert "grad_norm 0.5" in lines[0]
    assert lines[-1].split()[2:4] == ["val/loss", "0.5"]
    assert not [line for line in told if line.startswith("  row")]
    told = lepton("runs", "attach", "cccc", "--samples").out.splitlines()
    assert [line for line in told if line.startswith("  row")] == [
        f"  row {at}  Adelie: {label}  75.0 %  {mark}" for at, (label, mark) in enumerate(answers)
    ]
