"""DuckDB databases: one table or view, read behind a lock on everything outside the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.engine import connect
from core.data.lake.view import literal, quoted
from core.data.sources.columns import Out, hand_over, lake_type
from core.data.sources.desk import Arrived, Desk
from core.data.sources.tables.arrow import add
from core.data.sources.tables.database import (
    check_rows,
    in_use,
    one_file,
    one_table,
    unreadable,
)
from core.errors import LeptonError, UsageError, nearest

if TYPE_CHECKING:
    import duckdb

ROWS = 122_880


def read_duckdb(desk: Desk, paths: list[Path]) -> Arrived:
    """Read the table or view that `desk.options.table` names, or the only table.

    A table of another schema than `main` is named `schema.table`. A view is answered from this
    file alone: one that reads other files, or an address, is refused.

    Raises:
        UsageError: there is no such table, or there are several and none is named.
        LeptonError: the file is damaged, in use, or of a newer format.
    """
    import pyarrow as pa

    path = one_file(desk, paths)
    rows = 0
    with (
        _guarded(desk, path),
        closing(connect(desk.workspace)) as database,
        desk.watching(database),
    ):
        database.execute(f"ATTACH {literal(str(path))} AS source (READ_ONLY)")
        database.execute("SET enable_external_access = false")
        database.execute("SET lock_configuration = true")
        schema, table = _chosen(desk, path, database)
        name = f"source.{quoted(schema)}.{quoted(table)}"
        described = database.execute(f"DESCRIBE {name}").fetchall()

        def ask(sql: str) -> tuple[Any, ...]:
            (row,) = database.execute(f"SELECT {sql} FROM {name}").fetchall()
            return tuple(row)

        outs = [lake_type(desk, column, kind, ask) for column, kind, *_ in described]
        selected = ", ".join(f"{out.sql} AS {quoted(out.name)}" for out in outs)
        for batch in database.sql(f"SELECT {selected} FROM {name}").to_arrow_reader(ROWS):
            add(desk, pa.Table.from_batches([batch]))
            rows += batch.num_rows
            desk.progress(rows, 0)
    check_rows(path, table, rows)
    kept = [Out(out.name, quoted(out.name), out.type) for out in outs]
    return hand_over(desk, "arrived", kept)


def _chosen(desk: Desk, path: Path, database: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    found = database.execute(
        "SELECT schema_name, table_name, true FROM duckdb_tables()"
        " WHERE database_name = 'source' AND NOT internal UNION ALL"
        " SELECT schema_name, view_name, false FROM duckdb_views()"
        " WHERE database_name = 'source' AND NOT internal ORDER BY 1, 2"
    ).fetchall()
    every = {_spoken(schema, name): (schema, name) for schema, name, _ in found}
    if wanted := desk.options.table:
        fitting = [place for said, place in every.items() if said.lower() == wanted.lower()]
        fitting = fitting or [place for place in every.values() if place[1] == wanted]
        if len(fitting) == 1:
            return fitting[0]
        raise UsageError(
            f'there are several tables "{wanted}"' if fitting else f'no table "{wanted}"',
            where=str(path),
            hint=f"Name it with its schema: {fitting[0][0]}.{wanted}."
            if fitting
            else nearest(wanted, every),
        )
    tables = [_spoken(schema, name) for schema, name, is_table in found if is_table] or list(every)
    return every[one_table(path, tables)]


def _spoken(schema: str, name: str) -> str:
    return name if schema == "main" else f"{schema}.{name}"


@contextmanager
def _guarded(desk: Desk, path: Path) -> Iterator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        desk.check()
        text = str(error)
        if "lock" in text and "Conflicting" in text:
            raise in_use(path, "has the database open for writing") from error
        if "version number" in text or "newer version" in text:
            raise LeptonError(
                f"the database is of a format that DuckDB {duckdb.__version__} does not read",
                where=str(path),
                hint="Update DuckDB, or write the table as Parquet with the program that made it.",
            ) from error
        if isinstance(error, duckdb.PermissionException):
            raise LeptonError(
                "the view reads something outside its database, which an import does not allow",
                where=str(path),
                hint="Import the file that it reads, or copy the view into a table.",
            ) from error
        raise unreadable(path, "DuckDB", error) from error
