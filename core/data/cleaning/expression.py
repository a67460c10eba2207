"""SQL that a person typed into a recipe: one expression over a row's own columns, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.engine import connect
from core.data.lake.layout import file_list, literal
from core.errors import UsageError

if TYPE_CHECKING:
    import duckdb

# What may stand in an expression, by DuckDB's own names for the parts of its syntax tree.
ALLOWED = (
    *("COLUMN_REF", "CONSTANT", "FUNCTION", "CAST", "CASE", "COMPARISON", "CONJUNCTION"),
    *("OPERATOR", "BETWEEN", "LAMBDA", "LAMBDA_REF", "COLLATE", "WINDOW", "TYPE"),
)
FORBIDDEN = {
    "SUBQUERY": "a query inside a query",
    "STAR": "a star",
    "PARAMETER": "a parameter",
}
# These turn one row into several.
MANY = ("unnest", "unlist")
HINT = "Write one expression over the columns, such as: age >= 18 AND city = 'Bern'"


def check_expression(sql: str) -> None:
    """Take one expression whose value depends on the row alone, and refuse all else.

    DuckDB itself reads it; its syntax tree must be that of `SELECT (…)` with one expression in it,
    made of parts that neither read a table or a file nor have an effect.

    Raises:
        UsageError: it cannot be read, or holds something else.
    """
    tree, skeleton = _tree(f"SELECT ({sql}\n)"), _tree("SELECT (1)")
    # In brackets, nothing is an expression too, and several are a row.
    bare = _tree(f"SELECT {sql}\n")
    if tree is None or skeleton is None or bare is None:
        raise UsageError(f'"{_cut(sql)}" is no SQL expression', hint=HINT)
    expressions = tree.pop("select_list")
    skeleton.pop("select_list")
    if len(bare["select_list"]) != 1 or len(expressions) != 1 or tree != skeleton:
        raise UsageError(f'"{_cut(sql)}" is more than one expression', hint=HINT)
    _check_parts(expressions[0], sql)


def has_window(sql: str) -> bool:
    """Whether an expression looks at other rows, so that DuckDB may give them in another order."""
    tree = _tree(f"SELECT ({sql}\n)") or {}
    return any(part.get("class") == "WINDOW" for part in _parts(tree))


def lock(
    connection: duckdb.DuckDBPyConnection, readable: Sequence[Path], writable: Path | None
) -> None:
    """Shut a DuckDB in, for good: it reads these files, writes into that folder, and no more.

    A second wall behind `check_expression`.
    """
    locked = connection.execute("SELECT current_setting('lock_configuration')").fetchone()
    if locked == (True,):
        return
    connection.execute("SET python_enable_replacements = false")
    connection.execute(f"SET allowed_paths = {file_list(readable)}")
    if writable is not None:
        connection.execute(f"SET allowed_directories = [{literal(str(writable))}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _check_parts(expression: Any, sql: str) -> None:
    for part in _parts(expression):
        kind = part.get("class")
        if kind is None:
            continue
        if kind not in ALLOWED:
            what = FORBIDDEN.get(kind, kind.lower().replace("_", " "))
            raise UsageError(f'"{_cut(sql)}" holds {what}, which a step cannot run', hint=HINT)
        name = part.get("function_name")
        if name is not None:
            fault = _fault(str(name).lower())
            if fault:
                raise UsageError(f'"{_cut(sql)}" {fault}', hint=HINT)


@lru_cache(maxsize=512)
def _fault(name: str) -> str:
    """What is wrong with a function, in words; empty when it gives a value for a row."""
    if name in MANY:
        return f"makes several rows of one ({name})"
    with connect() as connection:
        found = connection.execute(
            "SELECT function_type, stability, macro_definition FROM duckdb_functions()"
            " WHERE lower(function_name) = ?",
            [name],
        ).fetchall()
    for kind, stability, definition in found:
        if stability == "VOLATILE":
            return f"calls {name}, which has an effect or another answer each time"
        if kind == "macro":
            try:
                check_expression(definition)
            except UsageError:
                return f"calls {name}, which a step cannot run"
    if found and all(kind not in ("scalar", "aggregate", "macro", "window") for kind, *_ in found):
        return f"calls {name}, which gives a table"
    return ""


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for each in tree:
            yield from _parts(each)


def _tree(query: str) -> dict[str, Any] | None:
    """The syntax tree of one SELECT, or None when it is none."""
    import duckdb

    with connect() as connection:
        try:
            row = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
        except duckdb.Error:
            return None
    answer: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    if answer["error"] or len(answer["statements"]) != 1:
        return None
    statement: dict[str, Any] = answer["statements"][0]
    return {**statement.pop("node"), "of statement": statement}


def _cut(sql: str) -> str:
    return sql if len(sql) <= 60 else sql[:57] + "…"
