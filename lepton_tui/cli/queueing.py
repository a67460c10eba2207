"""`lepton runs queue`: the runs that wait for a device, and the order in which they start."""

from __future__ import annotations

from typing import Any

import typer

from core.errors import LeptonError, UsageError, nearest
from core.runs.history import device_words
from core.runs.queue import Queue, Standing
from core.runs.state import RunState
from core.runs.store import Runs
from core.workspace import Workspace
from lepton_tui.cli.groups import Commands, Group
from lepton_tui.cli.output import note, put_json, table
from screens.text import relative_time

FIRST, LAST = "first", "last"

app = Commands(cls=Group, rich_markup_mode=None, add_completion=False)


@app.callback(invoke_without_command=True)
def queue(
    context: typer.Context,
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """List the runs that wait for a device, in the order in which they start.

    Those that waited when the machine went down are started again.
    """
    if context.invoked_subcommand is None:
        list_(json=json)


@app.command("ls", hidden=True)
def list_(json: bool = typer.Option(False, "--json", help="Print one JSON document.")) -> None:
    """The same, for who is used to `ls` of the other nouns."""
    runs = Runs(Workspace.open())
    for run in runs.revive():
        note(f"{run.id} had lost its process, and waits again.")
    _put_queue(runs, json=json)


@app.command()
def move(
    run: str = typer.Argument(
        metavar="RUN", help="A run's id, or its beginning or last four characters."
    ),
    place: str = typer.Argument(metavar="PLACE", help="first, last, or a number from 1."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Give a waiting run another place in the queue."""
    runs = Runs(Workspace.open())
    wanted = _number(place)
    runs.revive()
    queue = Queue(runs.workspace)
    waiting = [each.run for each in queue.waiting()]
    found = _meant(run, waiting)
    at = queue.move(found, len(waiting) if wanted is None else wanted)
    note(f"{found} is at place {at} in the queue.")
    if json:
        _put_queue(runs, json=True)


def _meant(name: str, waiting: list[str]) -> str:
    """The run of the queue that a person names: all of its id, its beginning, or its last letters.

    Raises:
        UsageError: none or several of those that wait are called so.
    """
    fit = [each for each in waiting if each.startswith(name) or each.endswith(f"-{name}")]
    if name in waiting or len(fit) == 1:
        return name if name in waiting else fit[0]
    if fit:
        raise UsageError(f'"{name}" fits {len(fit)} runs that wait', hint=nearest("", fit))
    raise UsageError(
        f'no run "{name}" waits in the queue',
        hint=nearest(name, waiting) or "No run waits.",
    )


def _number(place: str) -> int | None:
    """The place that is meant; None: the last one.

    Raises:
        UsageError: it is none.
    """
    if place == LAST:
        return None
    if place == FIRST:
        return 1
    if not (place.isascii() and place.isdigit() and int(place) > 0):
        raise UsageError(
            f'"{place}" is no place in the queue', hint="Say first, last, or a number from 1."
        )
    return int(place)


def _put_queue(runs: Runs, *, json: bool) -> None:
    waiting = _waiting(runs)
    if json:
        put_json([_told(state, standing) for state, standing in waiting])
        return
    if not waiting:
        note("No run waits.")
        return
    table(
        ("place", "run", "dataset", "model", "waits for", "behind", "created"),
        [
            (
                standing.place,
                state.id.rpartition("-")[2],
                state.dataset,
                state.model,
                device_words(standing.devices, standing.together) or "a device",
                ", ".join(
                    each.rpartition("-")[2]
                    + (f" of {standing.elsewhere[each]}" if each in standing.elsewhere else "")
                    for each in standing.behind
                ),
                relative_time(state.created),
            )
            for state, standing in waiting
        ],
        whole=("place", "run", "dataset", "model", "waits for", "created"),
        drops=("created", "dataset", "model"),
    )


def _waiting(runs: Runs) -> list[tuple[RunState, Standing]]:
    """Who waits now; a run whose turn comes while we look is left out."""
    queue = Queue(runs.workspace)
    found = []
    for each in queue.waiting():
        standing = queue.standing(each.run)
        try:
            state = runs.get(each.run).state()
        except LeptonError:
            continue
        if standing is not None:
            found.append((state, standing))
    return found


def _told(state: RunState, standing: Standing) -> dict[str, Any]:
    names = ("id", "kind", "dataset", "model", "pid", "created")
    return {**standing.to_json(), **{name: getattr(state, name) for name in names}}
