"""`lepton eval MODEL [DATASET]`: judge a model on rows it has not seen."""

from __future__ import annotations

from json import loads
from typing import TYPE_CHECKING, Any

import typer

from core.runs.store import Runs
from core.workspace import Workspace
from lepton_tui.cli.groups import single
from lepton_tui.cli.output import note, put, put_json
from screens.text import human_number

if TYPE_CHECKING:
    from core.evaluation.thresholds import Threshold
    from core.models.registry import ModelFolder

app = single()


@app.command()
def evaluate(
    *,
    model: str = typer.Argument(metavar="MODEL", help='A model, "name@version", or its folder.'),
    dataset: str = typer.Argument(
        None, metavar="DATASET", help="The data set; what it was trained on if not named."
    ),
    split: str = typer.Option(None, metavar="NAME", help="test, or else validation."),
    against: str = typer.Option(
        None, metavar="MODEL", help="Another model on the same rows: a paired test, what changed."
    ),
    slices: list[str] = typer.Option(
        [],
        "--slice",
        metavar="COLUMN|CONDITION",
        help="Judge parts of the rows too: island, or 'age > 30'. May be given again.",
    ),
    fail_under: list[str] = typer.Option(
        [],
        "--fail-under",
        metavar="METRIC=NUMBER",
        help="End with 1 where a metric is worse, such as accuracy=0.95. May be given again.",
    ),
    batch_size: int = typer.Option(None, min=1, metavar="N", help="Rows at once."),
    device: str = typer.Option("auto", metavar="NAME", help="cpu, cuda, cuda:1, mps or auto."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Judge a model beside a baseline that looks at no input, and keep a report."""
    from core.evaluation.thresholds import check_metrics, read_thresholds
    from core.models.registry import Models

    thresholds = read_thresholds(fail_under)
    workspace = Workspace.open()
    found = Models(workspace).get(model)
    other = Models(workspace).get(against) if against else None
    _check_early(thresholds, found)
    spec: dict[str, object] = {
        "model": found.ref,
        "dataset": dataset,
        "split": split,
        "against": other and other.ref,
        "slices": slices or None,
        "batch_size": batch_size,
        "device": device,
    }
    report, folder = judge(workspace, spec)
    if json:
        put_json(report | {"report": folder})
    else:
        from lepton_tui.cli.report import put_report

        put_report(report)
        put(f"Report: {folder}/report.html, .md and .json")
    check_metrics(thresholds, report["metrics"], report["model"])
    _fail_under(thresholds, report)


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


def _check_early(thresholds: list[Threshold], model: ModelFolder) -> None:
    """Whether there are such metrics, before anything is judged: by what training measured.

    Raises:
        UsageError: there is one that nobody knows.
    """
    from core.evaluation.calibration import ERROR
    from core.evaluation.thresholds import check_metrics

    measured = {name.rpartition("/")[2] for name in model.metrics}
    if measured:
        check_metrics(thresholds, {*measured, "loss", ERROR}, model.ref)


def _fail_under(thresholds: list[Threshold], report: Any) -> None:
    """End with 1 where the model is worse than it may be.

    Raises:
        LeptonError: it is; it says by how much, and whether chance could have done it.
    """
    from core.errors import LeptonError
    from core.runs.compare import lower_is_better

    missed = [short for each in thresholds if (short := each.missed(report))]
    if not missed:
        return
    said = []
    for each in missed:
        side = "over" if lower_is_better(each["metric"]) else "under"
        far = "" if each["by"] is None else f", {human_number(each['by'])} {side}"
        threshold = human_number(each["threshold"])
        said.append(f"{each['metric']} is {human_number(each['value'])}{far} {threshold}")
    near = [each["metric"] for each in missed if each["within_interval"]]
    hint = f"Within the interval of {', '.join(near)}: more rows would tell." if near else ""
    raise LeptonError("; ".join(said), where=report["model"], hint=hint)
