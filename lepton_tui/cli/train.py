"""`lepton train DATASET`: start a training run and follow it."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import typer

from core.errors import UsageError, nearest
from core.runs.run import Run
from core.runs.state import RunState
from core.workspace import Workspace
from lepton_tui.cli.follow import follow
from lepton_tui.cli.groups import single
from lepton_tui.cli.options import comma_list
from lepton_tui.cli.output import note, put, put_json

app = single()


@app.command(
    epilog="Any other setting is a word of the form key=value, such as warmup=0.1 or dropout=0.2."
)
def train(
    *,
    dataset: str = typer.Argument(
        None, metavar="DATASET", help='A data set, "name" or "name@version".'
    ),
    words: list[str] = typer.Argument(None, metavar="KEY=VALUE", help="More settings."),
    model: str = typer.Option(None, "--model", "-m", metavar="NAME", help="The architecture."),
    target: str = typer.Option(None, metavar="COLUMN", help="The column to predict."),
    task: str = typer.Option(None, metavar="TASK", help="The kind of problem."),
    inputs: str = typer.Option(None, metavar="A,B", help="The columns to predict from."),
    name: str = typer.Option(None, metavar="NAME", help="What to call the trained model."),
    epochs: int = typer.Option(None, metavar="N", help="Times to go through the data (10)."),
    batch_size: int = typer.Option(None, metavar="N", help="Examples in a step."),
    lr: float = typer.Option(None, metavar="X", help="Peak learning rate."),
    schedule: str = typer.Option(None, metavar="NAME", help="cosine, linear or constant."),
    augment: str = typer.Option(
        None, metavar="A,B", help="Change examples at random, such as crop,flip,rotate=15."
    ),
    patience: int = typer.Option(None, metavar="N", help="Stop after N epochs without a better."),
    seed: int = typer.Option(None, metavar="N", help="Where all chance begins (0)."),
    device: str = typer.Option(None, metavar="NAME", help="cpu, cuda, cuda:1, mps or auto."),
    threads: int = typer.Option(None, metavar="N", help="Processor threads of the run."),
    config: Path = typer.Option(None, metavar="FILE", help="Settings in a TOML file."),
    detach: bool = typer.Option(False, "--detach", "-d", help="Start it and leave it."),
    json: bool = typer.Option(False, "--json", help="Print the run as one JSON document."),
) -> None:
    """Train a model on a data set, in a process that outlives this terminal."""
    given = read_config(config) if config else {}
    if dataset and "=" in dataset and (words is None or "dataset" in given):
        words, dataset = [dataset, *(words or [])], ""
    for word in words or []:
        put_setting(given, *parse_setting(word))
    flags = {
        "dataset": dataset or None,
        "model": model,
        "target": target,
        "task": task,
        "inputs": comma_list(inputs),
        "name": name,
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "schedule": schedule,
        "augment": augment,
        "patience": patience,
        "seed": seed,
        "device": device,
        "threads": threads,
    }
    given |= {key: value for key, value in flags.items() if value is not None}
    if not given.get("dataset"):
        raise UsageError("DATASET is missing", where="lepton train", hint=_which_datasets())
    from core.training.start import start_training

    run = start_training(Workspace.open(), given)
    if detach:
        if json:
            put_json(run.state().to_json())
            return
        put(f"Started {run.id}.")
        put(f"Watch it: lepton runs attach {run.id}")
        return
    state = follow_own(run, json=json)
    if json:
        put_json(state.to_json())
    else:
        put_outcome(state)


def _which_datasets() -> str:
    from core.data.lake.lake import Lake

    names = [version.dataset for version in Lake(Workspace.open()).datasets()]
    return nearest("", names) or "Bring one in first: lepton data import FILE --name NAME"


def follow_own(run: Run, *, json: bool, past: int = 0) -> RunState:
    """Follow a run that this command has launched: Ctrl-C stops it, with all saved.

    Raises:
        LeptonError: the run failed.
        Exit: the person stopped it; the code is 130.
    """
    say = note if json else put
    try:
        return follow(run, say, past=past)
    except KeyboardInterrupt:
        note("Stopping after this step, and saving. Ctrl-C again leaves it to end by itself.")
    try:
        state = run.stop(wait=None)
    except UsageError:
        state = run.state()
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if json:
        put_json(state.to_json())
    if state.state == "stopped":
        note(f"Stopped at step {state.step or 0}. Go on with: lepton runs resume {run.id}")
    raise typer.Exit(130)


def put_outcome(state: RunState) -> None:
    """The last lines of a training: what it made, and what to do with it."""
    from lepton_tui.cli.follow import metrics_line

    if state.state == "stopped":
        put(f"Stopped at step {state.step or 0}. Go on with: lepton runs resume {state.id}")
        return
    put(f"Made the model {state.model}  {metrics_line(state.metrics)}")
    put(f"Next: lepton eval {state.model}")


def read_config(path: Path) -> dict[str, Any]:
    """Settings from a TOML file.

    Raises:
        UsageError: there is no such file, or it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"the settings cannot be read: {error.strerror}", where=str(path)
        ) from error
    except ValueError as error:
        raise UsageError(f"the settings are not TOML: {error}", where=str(path)) from error


def parse_setting(word: str) -> tuple[str, Any]:
    """`lr=1e-3` as `("lr", 0.001)`: the value as TOML has it, or else a text.

    Raises:
        UsageError: the word has no `=`.
    """
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise UsageError(
            f'"{word}" is no setting', hint="Write key=value; the data set is one word before."
        )
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key, text


def put_setting(given: dict[str, Any], key: str, value: Any) -> None:
    """Set one key; an option of an architecture (`dropout`) goes where those are kept."""
    from core.models.architectures import ARCHITECTURES
    from core.training.config import TrainConfig

    of_training = {field.name for field in dataclasses.fields(TrainConfig)}
    of_models = {option for each in ARCHITECTURES.values() for option in each.defaults}
    key = key.replace("-", "_")
    if key not in of_training and key in of_models:
        given["options"] = {**given.get("options", {}), key: value}
    elif key not in of_training and "mean" in (close := nearest(key, of_models)):
        # What is unknown to both is left to the training's own words, which know other tools'.
        raise UsageError(f'there is no setting "{key}"', hint=close)
    else:
        given[key] = value
