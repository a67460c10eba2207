"""`lepton train DATASET`: start a training run and follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from core.errors import LeptonError, UsageError, nearest
from core.runs.history import waiting_words
from core.runs.queue import Queue
from core.runs.state import RunState
from core.runs.store import Runs
from core.training.spelling import parse_setting
from core.workspace import Workspace
from lepton_tui.cli.follow import follow_own, metrics_line, stopped_words
from lepton_tui.cli.groups import single
from lepton_tui.cli.options import comma_list
from lepton_tui.cli.output import facts, note, put, put_json
from lepton_tui.cli.settings import read_config
from screens.text import counted, human_bytes, human_duration

if TYPE_CHECKING:
    from core.training.rehearsal import Rehearsal

app = single()

SHORTEST = 0.1
"""Seconds below which their number says nothing."""
STILL = ("stopped", "interrupted", "failed")
"""How a run stands that can be gone on with."""


@app.command(
    epilog="Any other setting is a word of the form key=value, such as momentum=0.8 or dropout=0.2."
    " The options of the data set's task (horizon, image_size, length, …) and of its models, with"
    " what each may be: lepton train DATASET --options"
)
def train(
    *,
    dataset: str = typer.Argument(
        None, metavar="DATASET", help='A data set, "name" or "name@version".'
    ),
    words: list[str] = typer.Argument(None, metavar="KEY=VALUE", help="More settings."),
    model: str = typer.Option(
        None,
        "--model",
        "-m",
        metavar="NAME",
        help="The architecture, or a pretrained model: ./FOLDER, or OWNER/NAME on the hub.",
    ),
    from_: str = typer.Option(
        None, "--from", metavar="MODEL", help="Go on from a trained model, on these rows."
    ),
    target: str = typer.Option(None, metavar="COLUMN", help="The column to predict."),
    task: str = typer.Option(None, metavar="TASK", help="The kind of problem."),
    inputs: str = typer.Option(None, metavar="A,B", help="The columns to predict from."),
    name: str = typer.Option(None, metavar="NAME", help="What to call the trained model."),
    epochs: int = typer.Option(None, metavar="N", help="Times to go through the data (10)."),
    batch_size: str = typer.Option(None, metavar="N", help="Examples in a step, or auto."),
    lr: str = typer.Option(None, metavar="X", help="Peak learning rate, or auto: found first."),
    optimizer: str = typer.Option(None, metavar="NAME", help="adamw, sgd or muon."),
    schedule: str = typer.Option(
        None, metavar="NAME", help="cosine, linear, constant, one-cycle or plateau."
    ),
    warmup: float = typer.Option(None, metavar="X", help="Steps, or a share of them, to warm up."),
    weight_decay: float = typer.Option(None, metavar="X", help="How much weights shrink."),
    clip: float = typer.Option(None, metavar="X", help="The largest gradient norm; 0: any."),
    accumulate: int = typer.Option(None, metavar="N", help="Take a step's examples in N parts."),
    max_steps: int = typer.Option(None, metavar="N", help="Stop after N steps."),
    max_time: str = typer.Option(None, metavar="TIME", help="Stop after 90s, 30m or 1h30m."),
    precision: str = typer.Option(None, metavar="NAME", help="auto, fp32, bf16 or fp16."),
    ema: float = typer.Option(None, metavar="X", help="Average the weights, as 0.999 does."),
    dropout: float = typer.Option(None, metavar="X", help="Share of values dropped."),
    label_smoothing: float = typer.Option(None, metavar="X", help="Spread the truth, as 0.1."),
    balance: str = typer.Option(None, metavar="HOW", help="Unequal classes: weights or sampling."),
    augment: str = typer.Option(
        None, metavar="A,B", help="Change examples at random, such as crop,flip,rotate=15."
    ),
    patience: int = typer.Option(None, metavar="N", help="Stop after N epochs without a better."),
    seed: int = typer.Option(None, metavar="N", help="Where all chance begins (0)."),
    deterministic: bool = typer.Option(
        None, "--deterministic", help="Refuse what may differ from run to run."
    ),
    compile_: bool = typer.Option(None, "--compile", help="Let torch make kernels for it."),
    device: str = typer.Option(None, metavar="NAME", help="cpu, cuda, cuda:1, mps or auto."),
    devices: int = typer.Option(None, metavar="N", help="Train on N devices together (1)."),
    shard: bool = typer.Option(
        None, "--shard", help="Keep a part of the model on each device, not all of it."
    ),
    nodes: int = typer.Option(None, metavar="N", help="Train on N machines together (1)."),
    node_rank: int = typer.Option(None, metavar="N", help="Which machine this is, from 0."),
    rendezvous: str = typer.Option(None, metavar="HOST:PORT", help="Where the machines meet."),
    queue: bool = typer.Option(
        None,
        "--queue/--no-queue",
        help="Wait until the device is free, or all N; a GPU is waited for.",
    ),
    threads: int = typer.Option(None, metavar="N", help="Processor threads of the run."),
    config: str = typer.Option(
        None, metavar="FILE", help="Settings in a TOML file, or those of a RUN."
    ),
    recipe: str = typer.Option(None, metavar="NAME", help="Settings that were tried."),
    recipes: bool = typer.Option(False, "--recipes", help="List the recipes."),
    options: bool = typer.Option(
        False, "--options", help="List what KEY=VALUE may be for this data set; start nothing."
    ),
    resume: str = typer.Option(
        None, metavar="RUN", help="Go on with a run; auto: the newest that has not ended."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what it would cost; start nothing."),
    detach: bool = typer.Option(False, "--detach", "-d", help="Start it and leave it."),
    json: bool = typer.Option(False, "--json", help="Print the run as one JSON document."),
) -> None:
    """Train a model on a data set, in a process that outlives this terminal."""
    workspace = Workspace.open()
    if recipes:
        put_recipes(json=json)
        return
    given = read_config(config, workspace) if config else {}
    if dataset and "=" in dataset and (words is None or "dataset" in given):
        words, dataset = [dataset, *(words or [])], ""
    given |= dict(map(parse_setting, words or []))
    flags = {
        "dataset": dataset or None,
        "model": model,
        "init_from": from_,
        "target": target,
        "task": task,
        "inputs": comma_list(inputs),
        "name": name,
        "epochs": epochs,
        "batch_size": _number(batch_size),
        "lr": _number(lr),
        "optimizer": optimizer,
        "schedule": schedule,
        "warmup": warmup,
        "weight_decay": weight_decay,
        "clip": clip,
        "accumulate": accumulate,
        "max_steps": max_steps,
        "max_time": max_time,
        "precision": precision,
        "ema": ema,
        "dropout": dropout,
        "label_smoothing": label_smoothing,
        "balance": balance,
        "augment": augment,
        "patience": patience,
        "seed": seed,
        "deterministic": deterministic,
        "compile": compile_,
        "device": device,
        "devices": devices,
        "shard": shard,
        "nodes": nodes,
        "node_rank": node_rank,
        "rendezvous": rendezvous,
        "queue": queue,
        "threads": threads,
    }
    given |= {key: value for key, value in flags.items() if value is not None}
    if resume := resume or given.pop("resume", None):
        go_on(workspace, str(resume), given, detach=detach, json=json)
        return
    if not given.get("dataset"):
        raise UsageError("DATASET is missing", where="lepton train", hint=_which_datasets())
    if recipe:
        from core.training.recipes import recipe as known
        from core.training.recipes import with_recipe

        given = with_recipe(known(recipe), given)
    if options:
        put_known_options(workspace, given, json=json)
        return
    if dry_run:
        put_rehearsal(workspace, given, json=json)
        return
    from core.training.start import start_training

    notes: list[str] = []
    run = start_training(workspace, given, notes)
    for each in notes:
        note(each)
    if detach:
        if json:
            put_json(run.state().to_json())
            return
        standing = Queue(workspace).standing(run.id)
        if standing is None:
            put(f"Started {run.id}.")
        else:
            put(f"Queued {run.id}: {waiting_words(standing.to_json())}.")
        put(f"Watch it: lepton runs attach {run.id}")
        return
    state = follow_own(run, json=json)
    if json:
        put_json(state.to_json())
    else:
        put_outcome(state)


def go_on(
    workspace: Workspace, named: str, given: dict[str, Any], *, detach: bool, json: bool
) -> None:
    """Go on with a run; "auto": the newest training (of `dataset`) that stands still unfinished.

    Raises:
        UsageError: there is none, or other settings are named than a run can take up.
    """
    from lepton_tui.cli.runs import resume

    places = {key: given[key] for key in ("devices", "shard", "device") if key in given}
    if extra := [key for key in given if key not in (*places, "dataset")]:
        raise UsageError(
            f"a run goes on with its own settings: leave out {', '.join(extra)}",
            where="--resume",
            hint="To train on with others: lepton train DATASET --from MODEL. To change the rate"
            " of a run that goes: lepton runs set RUN lr=…",
        )
    if named == "auto":
        named = _standing_still(workspace, given.get("dataset"))
    none: dict[str, Any] = {"devices": None, "shard": None, "device": None}
    resume(named, **(none | places), detach=detach, json=json)


def _standing_still(workspace: Workspace, dataset: str | None) -> str:
    for run in Runs(workspace).newest("train"):
        state = run.state()
        of_it = dataset is None or dataset in (state.dataset, str(state.dataset).split("@")[0])
        if of_it and state.state in STILL and run.info.get("parent") is None:
            return run.id
    of = f" on {dataset}" if dataset else ""
    raise UsageError(f"no training{of} stands still unfinished", hint="See: lepton runs ls")


def _number(text: str | None) -> Any:
    """A flag that takes a number or a word: the number where it is one."""
    return None if text is None else parse_setting(f"value={text}")[1]


def put_recipes(*, json: bool) -> None:
    """The recipes, each with its task and what it is for."""
    from core.training.recipes import recipes

    known = recipes()
    if json:
        put_json([vars(each) for each in known])
        return
    facts([(each.name, f"{each.task}: {each.summary}") for each in known])


def put_known_options(workspace: Workspace, given: dict[str, Any], *, json: bool) -> None:
    """The options of the task that suits a data set, and of its models or the one that is named.

    Raises:
        UsageError: there is no such data set, column, task or model, or no task suits.
    """
    from core import tasks
    from core.data.lake.lake import Lake
    from core.models.architectures import architecture
    from core.models.hub.base import is_base
    from core.models.hub.table import PRETRAINED
    from lepton_tui.cli.training_options import models_of, options_json, put_options

    with Lake(workspace).open(given["dataset"]) as view:
        fit = tasks.guess(
            tasks.facts(view), given.get("target"), given.get("task"), given.get("inputs")
        )
    kind = tasks.task(fit.task)
    models = models_of(kind)
    if model := given.get("model"):
        wanted = PRETRAINED.name if is_base(model) else architecture(model).name
        models = [each for each in models if each.name == wanted]
        if not models:
            raise UsageError(
                f"{model} is no model for {kind.name}",
                hint=f"Use one of: {', '.join(kind.architectures)}.",
            )
    if json:
        put_json(options_json(kind, models))
    else:
        put_options(kind, models)


def put_rehearsal(workspace: Workspace, given: dict[str, Any], *, json: bool) -> None:
    """What a training would cost.

    Raises:
        LeptonError: the disk has no room for it.
    """
    from core.training.choice import asked
    from core.training.rehearsal import rehearse

    notes: list[str] = []
    config, _ = asked(workspace, given, notes)
    told = rehearse(workspace, config)
    for each in (*notes, *told.notes):
        note(each)
    if json:
        put_json(told.to_json())
    else:
        _put_costs(told)
    if not told.fits:
        raise LeptonError(
            f"the disk has {human_bytes(told.free)} free, and it may take {human_bytes(told.disk)}",
            where=str(workspace.home),
            hint="Make room, or choose a smaller model.",
        )


def _put_costs(told: Rehearsal) -> None:
    settings = told.settings
    trained = "" if told.trained == told.parameters else f", {told.trained:,} of them trained"
    took = human_duration(told.validation_seconds)
    tells = told.validation_seconds >= SHORTEST
    judging = f", {took} of it to judge what it has learnt" if tells else ""
    facts(
        [
            (
                "task",
                f"{settings['task']}: {', '.join(settings['inputs'])} -> {settings['target']}",
            ),
            ("model", f"{settings['model']}, {told.parameters:,} parameters{trained}"),
            ("examples", f"{told.examples:,}, {settings['batch_size']} in a step"),
            ("steps", f"{told.steps:,} in {counted(settings['epochs'], 'epoch')}"),
            ("device", f"{settings['device']}, {settings['precision']}"),
            ("memory", human_bytes(told.memory)),
            ("an epoch takes", _about(told.epoch_seconds) + judging),
            ("it would take", f"{_about(told.seconds)}, once its process is up"),
            ("a checkpoint", human_bytes(told.checkpoint)),
            ("disk", f"{human_bytes(told.disk)} at most, {human_bytes(told.free)} free"),
        ]
    )
    put("Nothing was started.")


def _about(seconds: float) -> str:
    if seconds < SHORTEST:
        return f"less than {human_duration(SHORTEST)}"
    return f"about {human_duration(seconds)}"


def _which_datasets() -> str:
    from core.data.lake.lake import Lake

    names = [version.dataset for version in Lake(Workspace.open()).datasets()]
    return nearest("", names) or "Bring one in first: lepton data import FILE --name NAME"


def put_outcome(state: RunState) -> None:
    """The last lines of a training: what it made, and what to do with it."""
    if state.state == "stopped":
        put(stopped_words(state))
        return
    put(f"Made the model {state.model}  {metrics_line(state.metrics)}")
    put(f"Next: lepton eval {state.model}")
