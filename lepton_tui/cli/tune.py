"""`lepton tune DATASET lr=1e-4..1e-1`: search the settings that train the best model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from core.errors import UsageError
from core.runs.run import Run
from core.training.spelling import parse_setting
from core.workspace import Workspace
from lepton_tui.cli.follow import follow_own, short_value
from lepton_tui.cli.groups import single
from lepton_tui.cli.output import note, put, put_json, table
from lepton_tui.cli.settings import read_config
from screens.text import human_duration, human_number

if TYPE_CHECKING:
    from core.tuning.outcome import Outcome

app = single()


@app.command(
    epilog="lr=1e-4..1e-1 is searched in a range, batch_size=32,64 among values, epochs=5 is the"
    " same in every trial. Without any range the settings that matter most are searched."
)
def tune(
    *,
    dataset: str = typer.Argument(
        None, metavar="DATASET", help='A data set, "name" or "name@version".'
    ),
    words: list[str] = typer.Argument(
        None, metavar="KEY=VALUE", help="Settings, and the ranges of those that are searched."
    ),
    model: str = typer.Option(None, "--model", "-m", metavar="NAME", help="The architecture."),
    target: str = typer.Option(None, metavar="COLUMN", help="The column to predict."),
    task: str = typer.Option(None, metavar="TASK", help="The kind of problem."),
    epochs: int = typer.Option(None, metavar="N", help="Epochs of each trial."),
    device: str = typer.Option(None, metavar="NAME", help="cpu, cuda, cuda:1, mps or auto."),
    seed: int = typer.Option(None, metavar="N", help="Where all chance begins (0)."),
    trials: int = typer.Option(20, metavar="N", help="Trainings to try."),
    max_time: str = typer.Option(None, metavar="TIME", help="End the search after 30m or 8h."),
    parallel: int = typer.Option(1, metavar="N", help="Trials at the same time."),
    prune: bool = typer.Option(
        True, "--prune/--no-prune", help="End trials that are worse than most at their epoch."
    ),
    config: str = typer.Option(
        None,
        metavar="FILE",
        help="Settings in a TOML file, its ranges under [search], or of a RUN.",
    ),
    detach: bool = typer.Option(False, "--detach", "-d", help="Start it and leave it."),
    json: bool = typer.Option(False, "--json", help="Print the search as one JSON document."),
) -> None:
    """Search the settings that train the best model; each trial is a training run."""
    workspace = Workspace.open()
    given = read_config(config, workspace) if config else {}
    search = dict(given.pop("search", {}))
    if dataset and "=" in dataset and (words is None or "dataset" in given):
        words, dataset = [dataset, *(words or [])], ""
    flags = {
        "dataset": dataset or None,
        "model": model,
        "target": target,
        "task": task,
        "epochs": epochs,
        "device": device,
        "seed": seed,
    }
    given |= {key: value for key, value in flags.items() if value is not None}
    if not given.get("dataset"):
        raise UsageError(
            "DATASET is missing", where="lepton tune", hint="Name it first: lepton tune penguins"
        )
    fixed, searched = _parted(words or [])
    # What a word says wins over the file, be it a value or a range.
    asked = {
        "settings": {k: v for k, v in given.items() if k not in searched} | fixed,
        "search": {k: v for k, v in search.items() if k not in fixed} | searched,
        "trials": trials,
        "max_time": max_time,
        "parallel": parallel,
        "prune": prune,
    }
    from core.tuning.asked import start_search

    run = start_search(workspace, asked)
    if detach:
        if json:
            put_json(run.state().to_json())
            return
        put(f"Started {run.id}.")
        put(f"Watch it: lepton runs attach {run.id}")
        return
    follow_own(run, json=json)
    put_search(run, json=json)


def _parted(words: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The words that give a value, and those that give a range."""
    from core.tuning.space import is_searched

    fixed: dict[str, Any] = {}
    searched: dict[str, str] = {}
    for key, value in map(parse_setting, words):
        if is_searched(key, value):
            searched[key] = value
        else:
            fixed[key] = value
    return fixed, searched


def put_search(run: Run, *, json: bool) -> None:
    """What a search has found: its trials, what matters, and how to train with the best."""
    from core.tuning.outcome import BEST, Outcome

    found = Outcome.load(run.artifacts)
    if json:
        put_json(run.state().to_json() | {"search": found and found.to_json()})
        return
    if found is None:
        note("No trial has ended yet.")
        return
    metric = found.metric.removeprefix("val/")
    rows = [
        (
            trial.number,
            trial.run.rpartition("-")[2],
            "" if trial.value is None else human_number(trial.value),
            "" if trial.state == "complete" else trial.state,
            human_duration(trial.seconds),
        )
        for trial in found.ranked
    ]
    heads = ("trial", "run", metric, "", "took")
    tried = _columns(found)
    table(
        (*heads, *tried),
        [(*row, *(column[at] for column in tried.values())) for at, row in enumerate(rows)],
        whole=(*heads, *tried),
        drops=list(reversed(tried)),
        keys=("trial", "run"),
    )
    if found.importance:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in found.importance.items())
        put(f"What mattered: {shares}.")
    if (best := found.best) is not None:
        put(f"The best is trial {best.number}" + (f": {found.model}." if found.model else "."))
        put(f"Train with its settings: lepton train --config {run.artifacts / BEST}")


def _columns(found: Outcome) -> dict[str, list[str]]:
    """What was tried of each setting, in the order of the trials; what mattered most first."""
    ranked = found.ranked
    names = list(dict.fromkeys(name for trial in ranked for name in trial.params))
    names.sort(key=lambda name: -found.importance.get(name, 0.0))
    return {name: [short_value(trial.params.get(name, "")) for trial in ranked] for name in names}
