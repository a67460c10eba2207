"""`lepton eval MODEL [DATASET]`: judge a model on rows it has not seen."""

from __future__ import annotations

from json import loads
from typing import Any

import typer

from core.runs.store import Runs
from core.workspace import Workspace
from lepton_tui.cli.groups import single
from lepton_tui.cli.output import note, put, put_json, table, width
from screens.text import counted, human_number, percent, plain

app = single()

LARGEST_MATRIX = 20


@app.command()
def evaluate(
    *,
    model: str = typer.Argument(metavar="MODEL", help='A model, "name@version", or its folder.'),
    dataset: str = typer.Argument(
        None, metavar="DATASET", help="The data set; what it was trained on if not named."
    ),
    split: str = typer.Option(None, metavar="NAME", help="test, or else validation."),
    batch_size: int = typer.Option(256, min=1, metavar="N", help="Rows at once."),
    device: str = typer.Option("auto", metavar="NAME", help="cpu, cuda, cuda:1, mps or auto."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Judge a model beside a baseline that looks at no input, and keep a report."""
    from core.models.registry import Models

    workspace = Workspace.open()
    found = Models(workspace).get(model)
    spec = {
        "model": str(found.path) if found.version is None else found.ref,
        "dataset": dataset,
        "split": split,
        "batch_size": batch_size,
        "device": device,
    }
    report, folder = judge(workspace, spec)
    if json:
        put_json(
            {key: report[key] for key in ("model", "dataset", "split", "metrics", "baseline")}
            | {"rows": report["rows"], "notes": report["notes"], "report": folder}
            | {key: report[key] for key in ("confusion", "per_class", "residuals") if key in report}
        )
        return
    put_report(report)
    put(f"Report: {folder}")


def judge(workspace: Workspace, spec: dict[str, object]) -> tuple[Any, str]:
    """Evaluate in a run of its own and wait for it: its report, and the folder it lies in.

    Raises:
        LeptonError: the evaluation failed.
    """
    from core.errors import LeptonError
    from core.evaluation.report import JSON
    from core.models.registry import Models
    from lepton_tui.cli.follow import follow

    learned = Models(workspace).get(str(spec["model"])).info
    own = f"{learned['dataset']}@{learned['dataset_version']}" if "dataset" in learned else None
    run = Runs(workspace).create(
        "evaluate", spec, dataset=_text(spec.get("dataset") or own), model=_text(spec["model"])
    )
    run.launch()
    try:
        state = follow(run, note)
    except KeyboardInterrupt:
        run.stop(now=True)
        raise
    if state.state != "finished":
        raise LeptonError(f"the evaluation was {state.state}", where=run.id)
    return loads((run.artifacts / JSON).read_text()), str(run.artifacts)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def put_report(report: Any) -> None:
    """A report's metrics beside the baseline, its classes, and its matrix where that fits."""
    from core.evaluation.report import STEP_ERRORS, class_rates, rates_words, support_word

    put(
        f"{report['model']} on {report['dataset']}, {report['split']}: "
        f"{counted(report['rows'], report['example'])}"
    )
    for text in report["notes"]:
        put(f"Note: {plain(text)}.")
    put()
    baseline = report["baseline"]
    table(
        ("metric", "model", "baseline"),
        [
            (name, human_number(value), human_number(baseline.get(name)))
            for name, value in report["metrics"].items()
        ],
    )
    if per_class := report.get("per_class"):
        put()
        rates = class_rates(per_class)
        table(
            ("class", *(name.replace("_", " ") for name in rates), support_word(per_class)),
            [
                (each["label"], *(percent(each[name]) for name in rates), each["support"])
                for each in per_class
            ],
        )
        if words := rates_words(report):
            put(f"{words}.")
    if by_step := report.get("by_step"):
        put()
        table(
            ("step ahead", *(name.replace("_", " ") for name in STEP_ERRORS)),
            [
                (each["step"], *(human_number(each[name]) for name in STEP_ERRORS))
                for each in by_step
            ],
        )
    confusion = report.get("confusion")
    if confusion and len(confusion["labels"]) <= LARGEST_MATRIX:
        labels = [plain(label)[:8] for label in confusion["labels"]]
        if sum(max(len(label), 3) + 2 for label in labels) + 12 <= width():
            put()
            rows = zip(labels, confusion["matrix"], strict=True)
            table(("true ↓ said →", *labels), [(label, *counts) for label, counts in rows])
