"""`lepton models …`: the trained models, and the architectures they can be made of."""

from __future__ import annotations

from pathlib import Path

import typer

from core.errors import UsageError
from core.models.architecture import Architecture
from core.models.registry import ModelFolder, Models
from core.workspace import Workspace
from lepton_tui.cli.groups import noun
from lepton_tui.cli.output import confirm, facts, note, put, put_json, table
from screens.listing import headline_text
from screens.text import human_bytes, human_count, human_number, relative_time

app = noun("List, show, bring in, export and remove trained models.")

MODEL = typer.Argument(metavar="MODEL", help='A model, "name" or "name@version", or its folder.')
JSON = typer.Option(False, "--json", help="Print one JSON document.")


@app.command("ls")
def list_(
    architectures: bool = typer.Option(
        False, "--architectures", help="List what models can be made of instead."
    ),
    task: str | None = typer.Option(
        None, "--task", metavar="TASK", help="With --architectures: only those for this task."
    ),
    json: bool = JSON,
) -> None:
    """List the trained models, or the architectures."""
    if architectures:
        _architectures(task, json=json)
        return
    if task is not None:
        raise UsageError("--task goes with --architectures")
    models = Models(Workspace.open()).list()
    if json:
        put_json([model.to_json() for model in models])
        return
    if not models:
        note("There are no models yet. Train one: lepton train DATASET")
        return
    heads = ("model", "task", "architecture", "metrics", "size", "made")
    table(
        heads,
        [
            (
                model.ref,
                model.info["task"],
                model.info["architecture"],
                headline_text(model.metrics, model.metric),
                human_bytes(model.bytes),
                relative_time(model.info["created"]) if model.info.get("created") else "",
            )
            for model in models
        ],
        whole=heads,
        drops=("made", "size", "architecture", "task"),
    )


def _architectures(of_task: str | None, *, json: bool) -> None:
    from core.models.architectures import ARCHITECTURES
    from core.models.hub.table import PRETRAINED
    from core.tasks import TASKS, task

    tasks = {name: task(name).architectures for name in TASKS}
    wanted = task(of_task).architectures if of_task else tuple(ARCHITECTURES)
    found = [
        (each, [name for name, models in tasks.items() if each.name in models])
        for each in ARCHITECTURES.values()
        if each.name in wanted
    ]
    if json:
        put_json(
            [
                {
                    "name": each.name,
                    "tasks": of,
                    "parameters": each.parameters,
                    "source": each.source,
                    "summary": each.summary,
                    "kinds": list(each.kinds),
                    "options": dict(each.defaults),
                    "bounds": [one.to_json() for one in each.options],
                }
                for each, of in found
            ]
        )
        return
    if of_task is not None:
        from lepton_tui.cli.training_options import models_of, put_options

        kind = task(of_task)
        _put_lines(found, options=False)
        put()
        put_options(kind, models_of(kind))
        return
    _put_lines(found, options=True)
    put("./FOLDER, OWNER/NAME: a pretrained model of transformers, from a folder or the hub")
    put(f"{'':<12} options: {_options(PRETRAINED)}")
    note("What each option may be, and those of a task: --architectures --task TASK")


def _put_lines(found: list[tuple[Architecture, list[str]]], *, options: bool) -> None:
    """A few lines about each architecture and the tasks it is for."""
    for each, of in found:
        size = human_count(each.parameters)
        put(f"{each.name:<12} {each.summary}")
        put(f"{'':<12} {', '.join(of)}; about {size} parameters; {each.source}")
        if options:
            put(f"{'':<12} options: {_options(each)}")


def _options(architecture: Architecture) -> str:
    return ", ".join(f"{name}={value}" for name, value in architecture.defaults.items())


@app.command()
def show(model: str = MODEL, json: bool = JSON) -> None:
    """Show what a model is, what it learned from, and how well it does."""
    found = Models(Workspace.open()).get(model)
    if json:
        keep = ("options", "shape", "parameters", "baseline", "created")
        put_json(found.to_json() | {key: found.info.get(key) for key in keep})
        return
    put_model(found)


def put_model(model: ModelFolder) -> None:
    """Print the facts of a model beneath one another."""
    info = model.info
    baseline = info.get("baseline") or {}
    facts(
        [
            ("model", model.ref),
            ("task", info["task"]),
            ("architecture", info["architecture"]),
            *[(name, info[name]) for name in ("base", "from") if info.get(name)],
            ("parameters", human_count(int(info.get("parameters") or 0))),
            ("trained on", info.get("dataset")),
            ("run", info.get("run")),
            ("made", info.get("created")),
            ("folder", str(model.path)),
        ]
    )
    metrics = info.get("metrics") or {}
    if metrics:
        put()
        table(
            ("metric", "model", "baseline"),
            [
                (name, human_number(v), human_number(baseline.get(name)))
                for name, v in metrics.items()
            ],
        )


@app.command("import")
def import_(
    place: str = typer.Argument(
        metavar="PLACE",
        help="A folder of transformers or of Lepton, OWNER/NAME on the hub, a file of weights, or"
        " one of ONNX.",
    ),
    *,
    name: str | None = typer.Option(None, "--name", metavar="NAME", help="What to call it."),
    like: str | None = typer.Option(
        None,
        "--like",
        metavar="MODEL",
        help="The model whose weights the file holds, or that reads and tells the same.",
    ),
    column: str | None = typer.Option(
        None, "--column", metavar="COLUMN", help="The column of your data that it is to read."
    ),
    target: str | None = typer.Option(
        None, "--target", metavar="COLUMN", help="The column that it is to tell."
    ),
    language: str | None = typer.Option(
        None,
        "--language",
        metavar="CODE",
        help="What a Whisper writes down, as de; else what its files say, or en.",
    ),
    sha256: str | None = typer.Option(
        None, "--sha256", metavar="HEX", help="What the file of its weights must have."
    ),
    json: bool = JSON,
) -> None:
    """Bring in a model that was made elsewhere. What would run code is refused."""
    from core.models.foreign.arriving import Wish, bring_in

    wish = Wish(name, like, column, target, language, sha256)
    found = bring_in(Models(Workspace.open()), place, wish, say=note)
    if json:
        put_json(found.to_json())
        return
    put_model(found)


@app.command()
def export(
    model: str = MODEL,
    *,
    to: str = typer.Option("onnx", "--to", metavar="FORMAT", help="onnx"),
    into: Path | None = typer.Option(
        None, "--into", metavar="FOLDER", help="Where to; else beside the model's weights."
    ),
    json: bool = JSON,
) -> None:
    """Write a model as a graph that other programs run, and say whether it answers the same."""
    if to != "onnx":
        raise UsageError(f'there is no format "{to}"', where="--to", hint="There is: onnx.")
    found = Models(Workspace.open()).get(model)

    from core.models.exporting import ABSOLUTE, RELATIVE, to_onnx

    made = to_onnx(found, into, say=note)
    if json:
        put_json(made.to_json())
        return
    ratios = ", ".join(f"{ratio:.1f} x with {rows} rows" for rows, ratio in made.speed.items())
    facts(
        [
            ("graph", str(made.graph)),
            ("inputs and outputs", str(made.about)),
            (
                "from torch's answers",
                f"{made.difference:.1g} at most; {ABSOLUTE:g} and {RELATIVE:.1%} are allowed",
            ),
            ("speed, torch's being 1", f"{ratios}, on one thread here"),
        ]
    )


@app.command()
def rm(
    model: str = MODEL, yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask.")
) -> None:
    """Remove a model with all its versions, or one version of it."""
    models = Models(Workspace.open())
    found = models.get(model)
    what = found.ref if "@" in model else f"{found.name} and all its versions"
    confirm(f"Remove the model {what}?", yes=yes)
    models.remove(model)
    note(f"Removed {what}.")
