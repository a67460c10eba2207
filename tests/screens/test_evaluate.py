"""The Evaluate screen: real evaluations, and reports made by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Select

from core.data.lake.lake import Lake
from core.runs.run import Run
from core.runs.store import Runs
from core.training.start import start_training
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from screens.widgets.confusion import ConfusionMatrix
from tests.runs.conftest import stop_all
from tests.screens.golden import golden
from tests.screens.walk import alive, make_model, make_run, tell, until

SIZES = [(80, 24), (120, 40)]
LABELS = ["Adelie", "Chinstrap", "[b]Gentoo[/b]"]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    found = Workspace.open(tmp_path)
    yield found
    stop_all(Runs(found).all())


def report(**told: Any) -> dict[str, Any]:
    names = ("label", "precision", "recall", "f1", "support")
    classes = [(LABELS[0], 0.9, 1.0, 0.947, 9), (LABELS[1], 1.0, 0.8, 0.889, 5)]
    classes.append((LABELS[2], 1.0, 1.0, 1.0, 7))
    return {
        "model": "penguins_mlp@1",
        "task": "tabular-classification",
        "dataset": "penguins@2",
        "target": "species",
        "split": "test",
        "rows": 21,
        "metrics": {"accuracy": 0.952, "f1_macro": 0.945, "loss": 0.31},
        "baseline": {"accuracy": 0.429, "f1_macro": 0.945},
        "metric": "accuracy",
        "unreadable": [],
        "unreadable_rows": 0,
        "notes": [],
        "seconds": 1.5,
        "confusion": {"labels": LABELS, "matrix": [[9, 0, 0], [1, 4, 0], [0, 0, 7]]},
        "per_class": [dict(zip(names, each, strict=True)) for each in classes],
        "mistakes": [{"_rid": 77, "truth": "Chinstrap", "answer": "Adelie", "score": 0.83}],
        **told,
    }


def judged(workspace: Workspace, letters: str, told: dict[str, Any], day: int = 15) -> Run:
    """A finished evaluation and its report."""
    run = make_run(
        workspace,
        f"evaluate-202001{day}-120000-{letters}",
        [
            {"event": "state", "state": "running", "pid": 1},
            {"event": "result", "model": told["model"], "metrics": told["metrics"]},
            {"event": "state", "state": "finished"},
        ],
        kind="evaluate",
        spec={"model": told["model"]},
        model=told["model"],
        created=f"2020-01-{day}T12:00:00+00:00",
    )
    (run.artifacts / "report.json").write_text(json.dumps(told))
    return run


async def test_without_a_model_it_says_where_one_comes_from(workspace: Workspace) -> None:
    async with LeptonApp(workspace).run_test() as pilot:
        await pilot.press("4")
        await until(pilot, "Press 3 to train one")


@pytest.mark.slow
async def test_a_trained_model_is_judged_by_a_key(workspace: Workspace) -> None:
    noise = np.random.default_rng(0).normal(size=200)
    rows = {"a": np.arange(200.0), "b": noise, "price": np.arange(200.0) * 3 + noise}
    Lake(workspace).commit("prices", pa.table(rows), op="import", target="price")
    run = start_training(workspace, {"dataset": "prices", "epochs": 2})
    assert run.wait(90).state == "finished"
    async with LeptonApp(workspace).run_test(size=(100, 50)) as pilot:
        await pilot.press("4")
        await until(pilot, "Not evaluated yet")
        await pilot.press("r")
        await until(pilot, "✓ test, prices@2")
        shown = await until(pilot, "answer - truth")
        assert "standard deviation" in shown
        assert re.search(r"RMSE +[\d.]+ +[\d.]+ – [\d.]+ +[\d.]+ +[▲▼]", shown), shown
        pilot.app.screen.query_one("#split", Select).value = "validation"
        await pilot.press("y")
        await until(pilot, "lepton eval prices_mlp@1 --split validation")
        await pilot.press("escape")
        pilot.app.screen.query_one("#evaluate", Button).press()
        await until(pilot, "✓ validation, prices@2")
        await until(pilot, "validation split, ")


def certain(**told: Any) -> dict[str, Any]:
    """A report with all that a second look finds."""
    part = {"by": "island", "few": False, "baseline": {"accuracy": 0.4}}
    found = {"accuracy": 0.952, "f1_macro": 0.945, "loss": 0.31}
    return report(
        format=2,
        example="row",
        intervals={"accuracy": [0.857, 1.0], "f1_macro": [0.81, 1.0], "loss": None},
        bootstrap={"draws": 1000, "block": 1, "confidence": 0.95, "seed": 0},
        calibration={
            "error": 0.125,
            "baseline": 0.02,
            "bins": [
                {"low": 0.6, "high": 0.8, "rows": 9, "confidence": 0.72, "accuracy": 0.5},
                {"low": 0.8, "high": 1.0, "rows": 12, "confidence": 0.9, "accuracy": 1.0},
                {"low": 0.0, "high": 0.2, "rows": 0, "confidence": None, "accuracy": None},
            ],
        },
        slices=[
            {**part, "slice": "[b]Biscoe[/b]", "rows": 40, "metrics": {"accuracy": 0.7}}
            | {"intervals": {"accuracy": [0.55, 0.8]}, "than_all": "worse"},
            {**part, "slice": "Dream", "rows": 9, "metrics": {"accuracy": 1.0}, "few": True}
            | {"intervals": {"accuracy": None}, "than_all": None},
        ],
        suspected={
            "rows": 30,
            "of": 400,
            "labels": [{"_rid": 5, "truth": "Adelie", "seems": "[b]Gentoo[/b]", "margin": 0.71}],
        },
        against={
            "model": "old@1",
            "metrics": {name: value - 0.1 for name, value in found.items()},
            "differences": {
                name: {"difference": 0.1, "interval": [0.02, 0.2], "p": 0.01} for name in found
            },
            "test": {"name": "McNemar's exact test", "metric": "accuracy", "p": 0.013},
            "verdict": "better",
            "fixed": 7,
            "broken": 1,
            "changed": [
                {"_rid": 9, "change": "broken", "truth": "Adelie", "before": "Adelie"}
                | {"now": "Chinstrap"}
            ],
        },
        **told,
    )


async def test_what_a_second_look_finds_is_there(workspace: Workspace) -> None:
    make_model(workspace)
    judged(workspace, "aaaa", certain())
    async with LeptonApp(workspace).run_test(size=(80, 100)) as pilot:
        await pilot.press("4")
        shown = await until(pilot, "report.html, .md and .json lie in")
    lines = "\n".join(line[20:] for line in shown.splitlines())
    for expected in (
        r"accuracy +0\.952 +0\.857 – 1 +0\.429 +▲",
        r"loss +0\.31 +– +–",
        r"middle 95% of 1,000 draws",
        r"Against old@1",
        r"0\.952 +0\.852 +0\.1 +0\.02 – 0\.2",
        r"9 +Adelie +Adelie +Chinstrap +broken",
        r"By island",
        r"\[b\]Biscoe\[/b\] +40 +0\.7 +0\.55 – 0\.8 +worse than all",
        r"Dream +9 +1 +– +too few to say",
        r"calibration error 0\.125, baseline 0\.02",
        r"0\.60 – 0\.80 +9 +50\.0 % +█{10} {4}┃",
        r"0\.80 – 1\.00 +12 +100\.0 % +█{18}┃█",
        r"Most confident mistakes",
        r"30 labels of 400 seem wrong",
        r"5 +Adelie +\[b\]Gentoo\[/b\] +0\.71",
    ):
        assert re.search(expected, lines), f"{expected}\n{lines}"
    assert "0.00 – 0.20" not in lines, "a bin without an answer says nothing"


async def test_slices_and_another_model_are_asked_for_by_keys(workspace: Workspace) -> None:
    make_model(workspace)
    async with LeptonApp(workspace).run_test(size=(100, 30)) as pilot:
        await pilot.press("4")
        await until(pilot, "Not evaluated yet")
        await pilot.press("p")
        await until(pilot, "By which slices")
        await pilot.press(*"island ; age", "enter")
        (run,) = await started(pilot, workspace, 1)
        assert run.spec["slices"] == ["island", "age"]
        await pilot.press("a")
        await until(pilot, "Against which model")
        await pilot.press(*"old", "enter")
        run = (await started(pilot, workspace, 2))[0]
        assert (run.spec["against"], run.spec["slices"]) == ("old", None)
        await pilot.press("a", "escape")
        await pilot.press("y")
        await until(pilot, "--against old")


async def started(pilot: Pilot[Any], workspace: Workspace, count: int) -> list[Run]:
    """The evaluations, the newest first, once there are so many."""
    for _ in range(500):
        found = [*Runs(workspace).newest("evaluate")]
        if len(found) >= count:
            return found
        await pilot.pause(0.02)
    raise AssertionError(f"{len(found)} evaluations")


async def test_a_cell_of_the_matrix_names_its_mistakes(workspace: Workspace) -> None:
    make_model(workspace)
    judged(workspace, "aaaa", report())
    async with LeptonApp(workspace).run_test(size=(100, 40)) as pilot:
        await pilot.press("4")
        shown = await until(pilot, "▲ better")
        assert "= the same" in shown
        assert "[b]Gentoo[/b]" in shown
        pilot.app.screen.query_one(ConfusionMatrix).focus()
        await pilot.press("down", "enter")
        await until(pilot, "1 row of Chinstrap taken for Adelie")
        await pilot.press("right", "enter")
        await until(pilot, "4 rows of Chinstrap answered right.")
        await pilot.press("right", "enter")
        await until(pilot, "0 rows of Chinstrap taken for [b]Gentoo[/b].")


async def test_earlier_reports_open_again_and_can_be_removed(workspace: Workspace) -> None:
    make_model(workspace)
    judged(workspace, "aaaa", report(notes=["the older one"]))
    judged(workspace, "bbbb", report(split="validation", notes=["the newer one"]), day=16)
    async with LeptonApp(workspace).run_test(notifications=True) as pilot:
        await pilot.press("4")
        await until(pilot, "! the newer one")
        await pilot.press("tab", "down")
        await until(pilot, "! the older one")
        await pilot.press("x")
        await until(pilot, "Remove the report on test, penguins@2?")
        await pilot.press("y")
        await until(pilot, "! the newer one")
    assert [run.id[-4:] for run in Runs(workspace).all()] == ["bbbb"]


async def test_a_report_belongs_to_its_model(workspace: Workspace) -> None:
    make_model(workspace, "other")
    make_model(workspace)
    judged(workspace, "aaaa", report())
    app = LeptonApp(workspace)
    async with app.run_test() as pilot:
        await pilot.press("4")
        await until(pilot, "Not evaluated yet")
        app.visit("evaluate", model="penguins_mlp")
        await until(pilot, "penguins_mlp@1 on penguins@2")


async def test_progress_and_failure_are_told(workspace: Workspace) -> None:
    make_model(workspace)
    begun = [
        {"event": "state", "state": "running", "pid": 1},
        {"event": "step", "step": 250, "steps": 1000},
    ]
    spec = {"model": "penguins_mlp@1", "split": "test"}
    run = make_run(workspace, "evaluate-20200115-120000-aaaa", begun, kind="evaluate", spec=spec)
    error = {"what": "no row can be judged", "where": "penguins@2", "hint": "Look at its rows."}
    async with LeptonApp(workspace).run_test() as pilot:
        with alive(run):
            await pilot.press("4")
            await until(pilot, "25% of 1,000 rows")
            tell(run, [{"event": "state", "state": "failed", "error": error}])
        await until(pilot, "✗ no row can be judged (penguins@2)")
        await until(pilot, "→ Look at its rows.")


@pytest.mark.parametrize("size", SIZES)
async def test_goldens(workspace: Workspace, size: tuple[int, int]) -> None:
    make_model(workspace)
    judged(workspace, "aaaa", report(), day=14)
    judged(workspace, "bbbb", report(notes=["3 of the 21 test rows were trained on"]))
    async with LeptonApp(workspace).run_test(size=size) as pilot:
        await pilot.press("4")
        await until(pilot, "! 3 of the 21")
        await golden(pilot, "evaluate", size)


async def test_the_classes_of_a_detector_fit_and_say_which_boxes_are_meant(
    workspace: Workspace,
) -> None:
    make_model(workspace, "cells_detector", task="object-detection")
    names = ("label", "average_precision", "precision", "recall", "f1", "support")
    long_name = "epithelial nucleus"
    told = report(
        model="cells_detector@1",
        metrics={"map": 0.41, "map_50": 0.7},
        baseline={},
        metric="map",
        confusion=None,
        per_class=[dict(zip(names, (long_name, 0.412, 0.875, 1.0, 0.933, 1234), strict=True))],
        per_class_of="boxes with a score of 30% or more",
    )
    judged(workspace, "aaaa", told)
    async with LeptonApp(workspace).run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        shown = await until(pilot, "Precision, recall and F1 are of boxes with a score of")
        assert re.search(r"class +AP +precision +recall +f1 +objects", shown), shown
        assert re.search(r"epith\w*…? .*41.2 % +87.5 % +100.0 % +93.3 % +1,234", shown), shown


@pytest.mark.parametrize("size", SIZES)
async def test_golden_of_numbers(workspace: Workspace, size: tuple[int, int]) -> None:
    make_model(workspace, "prices_mlp", task="tabular-regression")
    edges = [n / 2 for n in range(-5, 6)]
    told = report(
        model="prices_mlp@1",
        metrics={"r2": 0.97, "mean_absolute_error": 0.4},
        baseline={"r2": -0.01, "mean_absolute_error": 3.1},
        confusion=None,
        per_class=[],
        residuals={
            "mean": 0.02,
            "std": 0.6,
            "quantiles": {"0.05": -1.0, "0.5": 0.01, "0.95": 1.1},
            "histogram": {"edges": edges, "counts": [1, 2, 4, 8, 16, 15, 9, 3, 2, 1]},
        },
        mistakes=[{"_rid": 4, "truth": 10.0, "answer": 12.25, "error": 2.25}],
    )
    judged(workspace, "aaaa", told)
    async with LeptonApp(workspace).run_test(size=size) as pilot:
        await pilot.press("4")
        await until(pilot, "answer - truth")
        await golden(pilot, "evaluate-numbers", size)
