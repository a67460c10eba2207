"""`lepton runs …`: watch, stop and resume runs, from any terminal."""

from __future__ import annotations

from itertools import islice

import typer

from core.errors import LeptonError, UsageError
from core.runs.notes import Notes, read_notes, valid_tag
from core.runs.run import Run
from core.runs.state import RunState
from core.runs.store import Runs
from core.workspace import Workspace
from lepton_tui.cli import comparing, queueing
from lepton_tui.cli.groups import noun
from lepton_tui.cli.output import confirm, facts, note, put, put_json, table
from screens.text import human_duration, human_number, plain, relative_time, state_badge

app = noun("Watch, stop and resume runs.")

ID = typer.Argument(metavar="RUN", help="A run's id, or its beginning or last four characters.")
JSON = typer.Option(False, "--json", help="Print one JSON document.")


def _run(name: str) -> Run:
    return Runs(Workspace.open()).get(name)


@app.command("ls")
def list_(
    kind: str = typer.Option(
        None, metavar="KIND", help="Only import, train, tune, evaluate or check."
    ),
    tag: str = typer.Option(None, "--tag", metavar="TAG", help="Only those with this tag."),
    limit: int = typer.Option(None, metavar="N", min=1, help="The newest N."),
    json: bool = JSON,
) -> None:
    """List the runs, newest first."""
    wanted = None if tag is None else valid_tag(tag)
    newest = Runs(Workspace.open()).newest(*([kind] if kind else []))
    tagged = (run for run in newest if wanted is None or wanted in read_notes(run.path).tags)
    states = [run.state() for run in islice(tagged, limit)]
    if json:
        put_json([state.to_json() for state in states])
        return
    if not states:
        start = "There are no runs yet. Start one: lepton train DATASET"
        note(start if kind is None and tag is None else "There is no such run.")
        return
    from screens.listing import headline_text

    heads = ("run", "kind", "state", "dataset", "model", "epoch", "metrics", "created")
    table(
        heads,
        [
            (
                # The four letters are enough for every command, and stand in a narrow terminal.
                state.id.rpartition("-")[2],
                state.kind,
                _ended(state),
                state.dataset,
                state.model,
                f"{state.epoch or 0}/{state.epochs}" if state.epochs else "",
                # A search goes by the metric of a split, val/accuracy.
                headline_text(state.metrics, state.metric and state.metric.rpartition("/")[2]),
                relative_time(state.created),
            )
            for state in states
        ],
        whole=heads,
        drops=("created", "kind", "epoch", "dataset", "state"),
    )


@app.command()
def show(run: str = ID, json: bool = JSON) -> None:
    """Show what was asked of a run and how far it is."""
    _put(_run(run), json=json)


@app.command()
def attach(
    run: str = ID,
    samples: bool = typer.Option(
        False, "--samples", help="Show what it says of a few rows after each epoch."
    ),
    json: bool = JSON,
) -> None:
    """Follow a run live until it ends. Ctrl-C leaves it; it goes on."""
    from lepton_tui.cli.follow import follow

    found = _run(run)
    try:
        follow(found, note if json else put, samples=samples)
    except UsageError as error:
        # Whoever asked for the run was wrong, not who attaches to it.
        raise LeptonError(error.what, where=error.where, hint=error.hint) from None
    except KeyboardInterrupt:
        note(f"Left. {found.id} goes on: lepton runs attach {found.id}")
        raise typer.Exit(0) from None
    _put(found, json=json)


@app.command()
def stop(
    run: str = ID,
    now: bool = typer.Option(False, "--now", help="Kill it; its last checkpoint stays."),
    json: bool = JSON,
) -> None:
    """Ask a run to finish its step, save and end; waits until it has."""
    found = _run(run)
    state = found.stop(wait=None, now=now)
    if json:
        put_json(state.to_json())
        return
    note(f"{state.id} is {state.state}{_at(state)}.")
    if state.state in {"stopped", "interrupted"}:
        note(f"Go on with: lepton runs resume {state.id}")


@app.command("set")
def set_(
    run: str = ID,
    settings: list[str] = typer.Argument(metavar="lr=X", help="What to change: lr=0.001."),
) -> None:
    """Change the learning rate of a training that is running."""
    from core.runs.requests import ask
    from core.training.spelling import parse_setting

    found = _run(run)
    wishes = dict(map(parse_setting, settings))
    unknown = [name for name in wishes if name != "lr"]
    if unknown:
        raise UsageError(
            f"{unknown[0]} cannot be changed while it runs",
            hint="Only lr can. Stop it, and train again with what you want.",
        )
    rate = wishes["lr"]
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1e6:
        raise UsageError(f"lr must be a number above 0, not {rate!r}")
    ask(found, lr=float(rate))
    note(f"{found.id} goes on with a peak lr of {rate:g} from its next record.")


@app.command()
def checkpoint(run: str = ID) -> None:
    """Have a training that is running save a checkpoint now."""
    from core.runs.requests import ask

    found = _run(run)
    ask(found, checkpoint=True)
    note(f"{found.id} saves a checkpoint after its next record.")


@app.command()
def resume(
    run: str = ID,
    *,
    devices: int = typer.Option(None, metavar="N", help="Go on with N devices (a training)."),
    shard: bool = typer.Option(
        None, "--shard/--no-shard", help="Keep a part of the model on each device, or all of it."
    ),
    device: str = typer.Option(
        None, metavar="NAME", help="Go on on another device (a training): cpu, cuda:1 or auto."
    ),
    detach: bool = typer.Option(False, "--detach", "-d", help="Do not follow it."),
    json: bool = JSON,
) -> None:
    """Go on with a run from its last checkpoint."""
    from lepton_tui.cli.follow import follow_own

    found = _run(run)
    changes = {"devices": devices, "shard": shard}
    if changes := {key: value for key, value in changes.items() if value is not None}:
        from core.training.start import change_devices

        change_devices(found, **changes)
    if device is not None:
        from core.training.start import check_move

        check_move(found, device)
    past = sum(1 for _ in found.events())
    found.launch(devices, device)
    if not detach:
        follow_own(found, json=json, past=past)
    _put(found, json=json)


@app.command()
def rm(run: str = ID, yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask.")) -> None:
    """Remove a run with its checkpoints; the model it made stays."""
    found = _run(run)
    confirm(f"Remove {found.id} and its checkpoints?", yes=yes)
    found.remove()
    note(f"Removed {found.id}.")


@app.command()
def log(run: str = ID) -> None:
    """Print what a run's process printed: warnings, tracebacks."""
    lines = _run(run).log_tail(size=1024 * 1024).splitlines()
    for line in lines:
        put(plain(line))
    if not lines:
        note("It has printed nothing. What it did is told by: lepton runs attach RUN")


comparing.add_to(app)
app.add_typer(queueing.app, name="queue")


def _put(run: Run, *, json: bool) -> None:
    """A run as it is now, and what a search has found."""
    if run.kind != "tune":
        put_run(run, json=json)
        return
    from lepton_tui.cli.tune import put_search

    if not json:
        put_run(run, json=False)
    put_search(run, json=json)


def put_run(run: Run, *, json: bool) -> None:
    """Print a run as it is now."""
    state = run.state()
    if json:
        put_json(state.to_json())
        return
    facts(
        [
            ("run", state.id),
            ("state", state_badge(state.standing) + _at(state)),
            ("paused", state.paused),
            ("place", state.place and f"{state.place} in the queue"),
            ("process", state.pid),
            ("dataset", state.dataset),
            ("model", state.model),
            ("device", state.device),
            *((name, human_number(value)) for name, value in state.metrics.items()),
            (
                "took",
                human_duration(state.seconds)
                if state.ended and state.seconds is not None
                else None,
            ),
            ("left", human_duration(state.remaining) if state.remaining is not None else None),
            ("note", str(Notes(state.note, state.tags)) or None),
            ("folder", str(run.path)),
            *_error_facts(state),
        ]
    )


def _error_facts(state: RunState) -> list[tuple[str, str | None]]:
    if state.error is None:
        return []
    return [("error", state.error["what"]), ("", state.error.get("hint") or None)]


def _ended(state: RunState) -> str:
    """The state, or the setting that ended it before its last epoch: ✓ max_time."""
    badge = state_badge(state.standing)
    return badge.replace(state.state, state.ended_by) if state.ended_by else badge


def _at(state: RunState) -> str:
    why = f", ended by {state.ended_by}" if state.ended_by else ""
    if state.epoch is None or state.epochs is None:
        return why
    return f", epoch {state.epoch} of {state.epochs}, step {state.step}{why}"
