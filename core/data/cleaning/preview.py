"""What the last step of a recipe would do, shown on some of the rows before anything is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from core.data.cleaning.compile import as_error, compile_recipe
from core.data.cleaning.recipe import Recipe
from core.data.cleaning.sheet import HIDDEN
from core.data.lake.lake import Lake
from core.data.lake.layout import COLUMNS_AT_ONCE, portions_of
from core.data.lake.view import ROW_ID, View, quoted
from core.errors import Cancelled

if TYPE_CHECKING:
    import duckdb

SAMPLE = 100_000
MEDIA_SAMPLE = 1_000
# So many rows that lie together are taken together: equal ones often do.
BLOCK = 500


@dataclass(frozen=True)
class Changed:
    """One row before and after, by column; `after` is None where the row is dropped."""

    rid: int
    before: dict[str, Any]
    after: dict[str, Any] | None


@dataclass(frozen=True)
class Preview:
    """What the last step does to the rows looked at, of which there are `looked_at` of `rows`.

    `did` are the step's own counts, of these rows alone, as all the other figures are.
    """

    step: dict[str, Any]
    rows: int
    looked_at: int
    rows_before: int
    rows_changed: int
    rows_dropped: int
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns_changed: tuple[str, ...]
    did: dict[str, int]
    examples: tuple[Changed, ...]

    @property
    def sampled(self) -> bool:
        return self.looked_at < self.rows

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "sampled": self.sampled}


def preview(
    lake: Lake,
    view: View,
    recipe: Recipe,
    *,
    limit: int = 20,
    should_stop: Callable[[], bool] = lambda: False,
) -> Preview:
    """Show what the last step of a recipe does, after the ones before it.

    A version of more than 100,000 rows (1,000 with media) is looked at in blocks of rows at even
    distances, once for each view: later previews on the same view take milliseconds. What steps
    learn, they learn from these rows. `View.interrupt` from another thread ends the query under
    way, unless it is planned just then; `should_stop` is asked between two.

    Raises:
        UsageError: a step does not suit the columns.
        LeptonError: a step found values that it cannot take.
        Cancelled: it was interrupted, or `should_stop` said so.
    """
    import duckdb

    made: list[str] = []
    try:
        return _preview(lake, view, recipe, limit=limit, made=made, should_stop=should_stop)
    except duckdb.InterruptException as error:
        raise Cancelled("the preview was cancelled") from error
    except duckdb.Error as error:
        raise as_error(error, "the rows cannot be made") from error
    finally:
        for table in made:
            view.connection.execute(f"DROP TABLE IF EXISTS {quoted(table)}")


def _preview(
    lake: Lake,
    view: View,
    recipe: Recipe,
    *,
    limit: int,
    made: list[str],
    should_stop: Callable[[], bool],
) -> Preview:
    connection, version = view.connection, view.version
    relation, looked_at = _sample(view)
    guard = {
        "readable": [lake.workspace.data / file.name for file in version.files],
        "writable": lake.workspace.tmp,
    }
    before = connection, relation, version.columns
    rows, task, target, inputs = looked_at, version.task, version.target, version.inputs
    if len(recipe.steps) > 1:
        first = compile_recipe(
            *before,
            Recipe(recipe.steps[:-1]),
            rows=rows,
            task=task,
            target=target,
            inputs=inputs,
            should_stop=should_stop,
            **guard,  # type: ignore[arg-type]
        )
        made += [*first.tables, HIDDEN + "before"]
        connection.execute(f"CREATE OR REPLACE TABLE {HIDDEN}before AS {first.query}")
        before = connection, HIDDEN + "before", first.columns
        rows, task, target, inputs = first.rows, first.task, first.target, first.inputs
    last = compile_recipe(
        *before,
        Recipe(recipe.steps[-1:]),
        rows=rows,
        task=task,
        target=target,
        inputs=inputs,
        should_stop=should_stop,
        **guard,  # type: ignore[arg-type]
    )
    made += [*last.tables, HIDDEN + "after"]
    connection.execute(f"CREATE OR REPLACE TABLE {HIDDEN}after AS {last.query}")
    old, new = before[2], last.columns
    kept, there = frozenset(last.names), {c.name for c in old}
    same = [c.name for c in old if c.name in kept and c.name in last.touched]
    fresh = [name for name in last.names if name not in there]
    changes = {name: f"a.{quoted(name)} IS DISTINCT FROM b.{quoted(name)}" for name in same} | {
        name: f"b.{quoted(name)} IS NOT NULL" for name in fresh if name in last.touched
    }
    joined = f"FROM {before[1]} a LEFT JOIN {HIDDEN}after b ON a.{ROW_ID} = b.{ROW_ID}"
    gone = f"b.{ROW_ID} IS NULL"
    made += [HIDDEN + "changed", HIDDEN + "part"]
    counts = _changes(connection, joined, changes, should_stop)
    ((rows_changed, rows_dropped),) = connection.execute(
        f"SELECT (SELECT count(DISTINCT {ROW_ID}) FROM {HIDDEN}changed),"
        f" (SELECT count(*) FILTER ({gone}) {joined})"
    ).fetchall()
    listed = [f"a.{quoted(c.name)}" for c in old] + [f"b.{quoted(c.name)}" for c in new]
    found = connection.execute(
        f"SELECT a.{ROW_ID}, {gone}, {', '.join(listed)} {joined} WHERE {gone}"
        f" OR a.{ROW_ID} IN (SELECT {ROW_ID} FROM {HIDDEN}changed)"
        f" ORDER BY a.{ROW_ID} LIMIT {int(limit)}"
    ).fetchall()
    return Preview(
        step=recipe.steps[-1].to_json(),
        rows=version.rows,
        looked_at=looked_at,
        rows_before=rows,
        rows_changed=rows_changed,
        rows_dropped=rows_dropped,
        columns_added=tuple(fresh),
        columns_removed=tuple(c.name for c in old if c.name not in kept),
        columns_changed=tuple(name for name in same if counts[name]),
        did=last.steps[0].did,
        examples=tuple(
            Changed(
                row[0],
                dict(zip((c.name for c in old), row[2:], strict=False)),
                None
                if row[1]
                else dict(zip((c.name for c in new), row[2 + len(old) :], strict=True)),
            )
            for row in found
        ),
    )


def _changes(
    connection: duckdb.DuckDBPyConnection,
    joined: str,
    changes: dict[str, str],
    should_stop: Callable[[], bool],
) -> dict[str, int]:
    """In how many rows each column is another; the ids of those rows go into a table.

    Some columns at a time: one query with a condition for each of thousands does not end.
    """
    connection.execute(f"CREATE OR REPLACE TABLE {HIDDEN}changed ({ROW_ID} BIGINT)")
    counts: dict[str, int] = {}
    for part in portions_of(list(changes), COLUMNS_AT_ONCE):
        if should_stop():
            raise Cancelled("the preview was cancelled")
        differs = [f"coalesce(b.{ROW_ID} IS NOT NULL AND {changes[name]}, false)" for name in part]
        listed = ", ".join(f"{each} AS c{at}" for at, each in enumerate(differs))
        connection.execute(
            f"CREATE OR REPLACE TABLE {HIDDEN}part AS SELECT a.{ROW_ID}, {listed} {joined}"
        )
        summed = ", ".join(f"count(*) FILTER (c{at})" for at in range(len(part)))
        (found,) = connection.execute(f"SELECT {summed} FROM {HIDDEN}part").fetchall()
        counts |= zip(part, found, strict=True)
        some = " OR ".join(f"c{at}" for at in range(len(part)))
        connection.execute(
            f"INSERT INTO {HIDDEN}changed SELECT {ROW_ID} FROM {HIDDEN}part WHERE {some}"
        )
    return counts


def _sample(view: View) -> tuple[str, int]:
    """The rows to look at, and how many they are."""
    view.hold()
    most = MEDIA_SAMPLE if any(c.media for c in view.version.columns) else SAMPLE
    if view.version.rows <= most:
        return "rows", view.version.rows
    name = HIDDEN + "sample"
    known = "SELECT 1 FROM duckdb_tables() WHERE table_name = ?"
    if not view.connection.execute(known, [name]).fetchone():
        every = -(-view.version.rows // most)
        block = BLOCK if every * BLOCK < view.version.rows else 1
        view.connection.execute(
            f"CREATE TABLE {name} AS SELECT * FROM rows WHERE ({ROW_ID} // {block}) % {every} = 0"
        )
    row = view.connection.execute(f"SELECT count(*) FROM {name}").fetchone()
    return name, row[0] if row else 0
