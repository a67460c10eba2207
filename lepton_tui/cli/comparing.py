"""`lepton runs compare | note | tag | export`: runs beside each other, and what is kept of them."""

from __future__ import annotations

import shlex
from pathlib import Path

import typer

from core.errors import UsageError
from core.runs.compare import compare
from core.runs.notes import Notes, write_notes
from core.runs.store import Runs
from core.workspace import Workspace
from lepton_tui.cli.output import note, put, put_json, styled, table
from screens.text import human_number, setting_text, spark, state_badge

RUN = typer.Argument(metavar="RUN", help="A run's id, or its beginning or last four characters.")
JSON = typer.Option(False, "--json", help="Print one JSON document.")
FORMATS = "csv, tensorboard, wandb or mlflow"


def compare_(
    runs: list[str] = typer.Argument(metavar="RUN RUN…", help="Two runs or more."),
    json: bool = JSON,
) -> None:
    """Show what runs reached and in what they were set differently."""
    from core.runs.glimpse import glimpse

    known = Runs(Workspace.open())
    chosen = list({run.id: run for run in map(known.get, runs)}.values())
    if len(chosen) < 2:
        raise UsageError("there is nothing to compare it with", hint="Name two runs or more.")
    found = compare(chosen)
    if json:
        put_json(found.to_json())
        return
    labels = [run.id.rpartition("-")[2] for run in chosen]
    rows: list[list[object]] = [
        ["state", *(state_badge(run.standing) for run in found.runs)],
        ["model", *(run.model for run in found.runs)],
        ["epoch", *(run.epoch for run in found.runs)],
        ["step", *(run.step for run in found.runs)],
        ["loss", *(spark(glimpse(run.events_path), 12) for run in chosen)],
    ]
    for name, values in found.metrics.items():
        best = found.best(name)
        shown = (human_number(value) + " *"[at in best] for at, value in enumerate(values))
        rows.append([name, *shown])
    table(("", *labels), rows, whole=labels)
    if found.metrics:
        put(styled("* the best of them", "2"))
    put()
    if found.settings:
        asked = [[n, *map(setting_text, values)] for n, values in found.settings.items()]
        table(("set differently", *labels), asked)
    put(f"{found.same} settings are the same in all of them.")


def note_(
    run: str = RUN,
    text: list[str] = typer.Argument(
        None, metavar="TEXT", help='What to write; #words are tags, "" takes the note away.'
    ),
    json: bool = JSON,
) -> None:
    """Write a note on a run, or show the one that is there."""
    found = Runs(Workspace.open()).get(run)
    if text is not None:
        written = Notes.written(" ".join(text))
        write_notes(found.path, lambda notes: Notes(written.note, notes.tagged(written.tags).tags))
    state = found.state()
    if json:
        put_json({"run": state.id, "note": state.note, "tags": state.tags})
    else:
        put(str(Notes(state.note, state.tags)) or "There is no note on it.")


def tag(
    run: str = RUN,
    tags: list[str] = typer.Argument(None, metavar="TAG…", help="Words to find it by."),
    remove: list[str] = typer.Option(
        None, "--remove", metavar="TAG", help="Take a tag away; may be given again."
    ),
    json: bool = JSON,
) -> None:
    """Give a run tags, or take them away: lepton runs ls --tag TAG finds it."""
    found = Runs(Workspace.open()).get(run)
    if tags or remove:
        write_notes(found.path, lambda notes: notes.tagged(tags or (), remove or ()))
    state = found.state()
    if json:
        put_json({"run": state.id, "note": state.note, "tags": state.tags})
    else:
        put(" ".join(f"#{each}" for each in state.tags) or "There is no tag on it.")


def export_(
    run: str = RUN,
    to: str = typer.Option("csv", "--to", metavar="FORMAT", help=f"{FORMATS}."),
    out: Path = typer.Option(None, metavar="PATH", help="Where to; named after the run if not."),
    force: bool = typer.Option(False, "--force", help="Replace what is there."),
    json: bool = JSON,
) -> None:
    """Write a run's numbers for other programs. Nothing is sent anywhere."""
    from core.runs.export import OPENED, export

    found = Runs(Workspace.open()).get(run)
    path = export(found, to, out, replace=force)
    if json:
        put_json({"run": found.id, "format": to, "path": str(path)})
    else:
        note(f"Wrote {path}")
        if to in OPENED:
            note(f"Open it: {OPENED[to].format(shlex.quote(str(path)))}")


def add_to(app: typer.Typer) -> None:
    """Make these commands of a group."""
    app.command("compare")(compare_)
    app.command("note")(note_)
    app.command("tag")(tag)
    app.command("export")(export_)
