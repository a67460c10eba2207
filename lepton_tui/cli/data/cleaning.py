"""`lepton data clean`, `undo`, `steps`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from core.errors import UsageError
from lepton_tui.cli.data.entries import put_entry, put_settings
from lepton_tui.cli.data.group import DATASET, JSON, app, open_lake
from lepton_tui.cli.output import note, put, put_json, table
from lepton_tui.cli.status import working
from screens.text import counted, plain

if TYPE_CHECKING:
    from core.data.cleaning.preview import Preview
    from core.data.cleaning.recipe import Recipe
    from core.data.lake.lake import Lake
    from core.data.lake.version import Version


@app.command()
def clean(
    *,
    dataset: str = DATASET,
    recipe: str = typer.Option(None, metavar="FILE", help="A recipe: a TOML file of steps."),
    step: list[str] = typer.Option(
        [],
        metavar="STEP",
        help="A step, such as 'fill columns=age with=median'. Again for the next one.",
    ),
    save: Path = typer.Option(None, metavar="FILE", help="Keep the steps as a recipe."),
    each: bool = typer.Option(False, "--each", help="Make a version of every step."),
    as_learned: str = typer.Option(
        None, metavar="DATASET", help="Use what the same steps learned for that version."
    ),
    preview: bool = typer.Option(
        False, "--preview", help="Show what the last step would do; keep nothing."
    ),
    json: bool = JSON,
) -> None:
    """Run cleaning steps on a data set: the answer is its next version."""
    from core.data.cleaning.apply import clean as run_recipe

    steps = _recipe(recipe, step)
    if save is not None:
        steps.save(save)
        note(f"Saved {counted(len(steps.steps), 'step')} to {plain(str(save))}.")
    lake = open_lake()
    if preview:
        from core.data.cleaning.preview import preview as look

        with lake.open(dataset) as view, working(f"Looking at {dataset}"):
            found = look(lake, view, steps)
        if json:
            put_json(found.to_json())
        else:
            _put_preview(found)
        return
    with working(f"Cleaning {dataset}"):
        version = run_recipe(lake, dataset, steps, each=each, as_learned=as_learned)
    if json:
        put_json(version.to_json())
        return
    for done in _done(lake, version, len(steps.steps)):
        told = ", ".join(_counted(count, what) for what, count in done["did"].items() if count)
        put(f"{done['step']['do']}: {told or 'nothing to do'}")
    put(f"{version.ref}: {counted(version.rows, 'row')}, {counted(len(version.columns), 'column')}")
    note(f"A step back: lepton data undo {version.dataset}")


def _done(lake: Lake, version: Version, count: int) -> list[dict[str, Any]]:
    """What so many steps did, each of them a version of its own or all of them one."""
    done: list[dict[str, Any]] = list(version.params["steps"])
    while len(done) < count:
        version = lake.version(version.parents[0])
        done = [*version.params["steps"], *done]
    return done


def _counted(count: int, what: str) -> str:
    """`1 row dropped`, `2 rows dropped`: what a step counts begins with a noun in the plural."""
    noun, space, rest = what.partition(" ")
    return f"{count:,} {noun.removesuffix('s') if count == 1 else noun}{space}{rest}"


def _recipe(file: str | None, steps: list[str]) -> Recipe:
    from core.data.cleaning.recipe import Recipe

    if bool(file) == bool(steps):
        raise UsageError(
            "name a recipe or steps, one of both",
            hint="--recipe FILE, or --step 'drop-duplicates'; see: lepton data steps",
        )
    return Recipe.load(file) if file else Recipe.from_words(steps)


def _put_preview(found: Preview) -> None:
    rows = counted(found.looked_at, "row")
    of = f"{rows} of {found.rows:,}" if found.sampled else rows
    put(f"{found.step['do']}, on {of}:")
    put(f"  {counted(found.rows_changed, 'row')} changed, {found.rows_dropped:,} dropped")
    for what, names in (
        ("added", found.columns_added),
        ("removed", found.columns_removed),
        ("changed", found.columns_changed),
    ):
        if names:
            put(f"  columns {what}: {plain(', '.join(names))}")
    shown: list[tuple[Any, ...]] = []
    for each in found.examples:
        if each.after is None:
            shown.append((each.rid, "", "", "dropped"))
            continue
        shown += [
            (each.rid, column, each.before.get(column), value)
            for column, value in each.after.items()
            if each.before.get(column) != value
        ]
    if shown:
        table(("_rid", "column", "before", "after"), shown)
    note("Nothing was changed.")


@app.command()
def undo(dataset: str = DATASET, json: bool = JSON) -> None:
    """Take the last step back, as a new version."""
    from core.data.cleaning.apply import undo as step_back

    with working(f"Taking back the last step of {dataset}"):
        version = step_back(open_lake(), dataset)
    if json:
        put_json(version.to_json())
        return
    put(f"{version.ref}: {counted(version.rows, 'row')}, {counted(len(version.columns), 'column')}")


@app.command()
def steps(
    name: str = typer.Argument(None, metavar="STEP", help="Show this step's settings."),
    json: bool = JSON,
) -> None:
    """List the cleaning steps, or the settings of one."""
    from core.data.cleaning.recipe import catalogue
    from core.errors import nearest

    every = {each["do"]: each for each in catalogue()}
    if name is not None and name not in every:
        raise UsageError(f'there is no step "{name}"', hint=nearest(name, every))
    if json:
        put_json([every[name]] if name else list(every.values()))
        return
    if name is None:
        for do, each in every.items():
            put_entry(do, each["help"])
        note("The settings of one: lepton data steps fill")
        return
    put_entry(name, every[name]["help"])
    put_settings(every[name]["settings"])
