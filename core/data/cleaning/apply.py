"""A recipe on a data set: its next version, and the step back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.data.cleaning.compile import Cleaned, as_error, compile_recipe
from core.data.cleaning.recipe import Recipe
from core.data.cleaning.step import Learned
from core.data.cleaning.steps.missing import Fill
from core.data.lake.lake import Lake
from core.data.lake.version import Version
from core.data.lake.view import ROW_ID, View, literal, quoted
from core.errors import Cancelled, UsageError

CLEAN = "clean"


def clean(
    lake: Lake,
    ref: str | Version,
    recipe: Recipe,
    *,
    each: bool = False,
    as_learned: str | Version | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Version:
    """Run a recipe on a version of a data set: the answer is its next version.

    What the steps learned and what they did is kept in the version's `params`. With `each` every
    step makes a version of its own. `as_learned` names a version that the same steps made: their
    means, categories and limits are used again instead of being learned from these rows.

    Raises:
        UsageError: a step does not suit the columns, or `as_learned` was made by other steps.
        LeptonError: a step found values that it cannot take, or no row is left.
        Cancelled: `should_stop` said so.
        In every case no version is made of the step that failed.
    """
    version = lake.version(ref)
    learned = None if as_learned is None else learned_by(lake.version(as_learned), recipe)
    if not each:
        return _clean(lake, version, recipe, learned, should_stop)
    for n, step in enumerate(recipe.steps):
        known = None if learned is None else [learned[n]]
        version = _clean(lake, version, Recipe((step,)), known, should_stop)
    return version


def undo(lake: Lake, name: str) -> Version:
    """Take the last step back: what was before it becomes the newest version.

    Of a recipe of several steps the last one is taken back: the others are run again, with what
    they had learned. Else the rows before become the newest version without being written again.

    Raises:
        UsageError: there is no step to take back, or what was before it is no longer there.
    """
    newest = made = lake.version(name)
    if newest.n != lake.versions(newest.dataset)[0].n:
        raise UsageError(
            f"{newest.ref} is not the newest version",
            hint=f"Write: lepton data undo {newest.dataset}",
        )
    while made.op == "restore":
        made = lake.version(made.parents[0])
    before = [parent for parent in made.parents if parent.partition("@")[0] == made.dataset]
    if len(before) != 1:
        raise UsageError(
            f"there is no step to take back: {made.ref} was made by {made.op}",
            hint=f"Its versions: lepton data versions {made.dataset}",
        )
    steps = made.params.get("steps", []) if made.op == CLEAN else []
    if len(steps) > 1:
        recipe = Recipe.of([step["step"] for step in steps[:-1]])
        learned = [step["learned"] for step in steps[:-1]]
        parent = lake.version(before[0])
        return _clean(lake, parent, recipe, learned, lambda: False, undone=newest.ref)
    return lake.restore(before[0], params={"undone": newest.ref})


def learned_by(version: Version, recipe: Recipe) -> list[Learned]:
    """What the steps of a recipe learned when they made a version.

    Raises:
        UsageError: it was made by other steps.
    """
    steps = version.params.get("steps", []) if version.op == CLEAN else []
    if [step["step"] for step in steps] != recipe.to_json():
        raise UsageError(
            f"{version.ref} was not made by these steps, so it knows nothing for them",
            hint="Name a version that the same recipe made, or learn anew.",
        )
    for n, step in enumerate(recipe.steps, 1):
        if isinstance(step, Fill) and step.with_ == "neighbours":
            raise UsageError(
                f'step {n} ("{step.do}") looks for neighbours among the rows at hand, so there is'
                " nothing that it has learned",
                hint='Let it fill with = "median", or run the recipe anew.',
            )
    return [step["learned"] for step in steps]


def compile_for(
    lake: Lake,
    view: View,
    recipe: Recipe,
    learned: Sequence[Learned] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Cleaned:
    """Compile a recipe over the rows of an open version."""
    version, tmp = view.version, lake.workspace.tmp
    if not recipe.typed_sql:
        view.connection.execute(f"SET temp_directory = {literal(str(tmp))}")
    return compile_recipe(
        view.connection,
        "rows",
        version.columns,
        recipe,
        learned=learned,
        rows=version.rows,
        task=version.task,
        target=version.target,
        inputs=version.inputs,
        readable=[lake.workspace.data / file.name for file in version.files],
        writable=tmp,
        should_stop=should_stop,
    )


def _clean(
    lake: Lake,
    version: Version,
    recipe: Recipe,
    learned: Sequence[Learned] | None,
    should_stop: Callable[[], bool],
    **noted: Any,
) -> Version:
    import duckdb

    with lake.open(version) as view:
        made = compile_for(lake, view, recipe, learned, should_stop)
        params = {"steps": made.to_json(), "rows": [version.rows, made.rows], **noted}
        try:
            if _only_overlay(version, made):
                return _overlay(lake, version, view, made, params)
            return lake.commit(
                version.dataset,
                made.query,
                op=CLEAN,
                params=params,
                parents=[version.ref],
                media=made.media,
                task=made.task,
                target=made.target,
                inputs=made.inputs,
                connection=view.connection,
                in_order=made.in_order,
            )
        except duckdb.InterruptException as error:
            raise Cancelled("the cleaning was cancelled; nothing was changed") from error
        except duckdb.Error as error:
            raise as_error(error, "the rows cannot be made") from error


def _only_overlay(version: Version, made: Cleaned) -> bool:
    """Whether only columns beside the media change, so that these need not be written again."""
    return (
        any(column.media for column in version.columns)
        and not made.rows_dropped
        and made.names[: len(version.columns)] == version.column_names
        and bool(made.touched)
        and not made.touched & set(made.media)
    )


def _overlay(
    lake: Lake, version: Version, view: View, made: Cleaned, params: dict[str, Any]
) -> Version:
    listed = ", ".join(map(quoted, (ROW_ID, *sorted(made.touched))))
    table = view.connection.sql(f"SELECT {listed} FROM ({made.query})").to_arrow_table()
    return lake.commit_columns(version, table, op=CLEAN, params=params)
