"""SQLite databases: one table or view, read without leaving a trace beside the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from core.data.lake.view import quoted
from core.data.sources.columns import Out, hand_over, refuse_bad_cells
from core.data.sources.desk import Arrived, Desk
from core.data.sources.said import counted
from core.data.sources.settle import settle_texts, type_named
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
    import pyarrow as pa

ROWS = 20_000
# SQLite returns at most 2,000 columns, and there are four counts for each.
COUNTED_AT_ONCE = 400
WAIT_SECONDS = 10.0
KINDS = ("integer", "real", "text", "blob")
RULES = ("CHECK constraint", " value in ", "non-unique entry")
SIDE_FILES = ("-wal", "-journal")


@dataclass(frozen=True)
class Kept:
    """How one column is kept: the Arrow type of its values and whether text of it is settled."""

    name: str
    type: str
    text: bool = False


def read_sqlite(desk: Desk, paths: list[Path]) -> Arrived:
    """Read the table or view that `desk.options.table` names, or the only table.

    SQLite lets every cell have a type of its own, so a column's type is that of all its cells:
    numbers, bytes, or text, which is then settled as the text of a CSV file is.

    Raises:
        UsageError: there is no such table, or there are several and none is named.
        LeptonError: the file is damaged, locked, or was written to while it was read.
    """
    path = one_file(desk, paths)
    with _guarded(desk, path), _reading(desk, path) as database:
        table = _chosen(desk, path, database)
        _check(database, table)
        columns = _columns(desk, database, table)
        rows = _load(desk, database, table, columns)
    check_rows(path, table, rows)
    settled = settle_texts(desk, "arrived", [each.name for each in columns if each.text])
    outs = [settled[each.name] if each.text else _typed(each) for each in columns]
    keep = refuse_bad_cells(desk, "arrived", outs)
    ((count,),) = desk.connection.execute(f"SELECT count(*) FROM arrived WHERE {keep}").fetchall()
    desk.judge(count, "rows")
    return hand_over(desk, "arrived", outs, keep)


def _typed(kept: Kept) -> Out:
    kinds = {"int64": "BIGINT", "double": "DOUBLE", "binary": "BLOB", "bool": "BOOLEAN"}
    return Out(kept.name, quoted(kept.name), kinds[kept.type])


@contextmanager
def _reading(desk: Desk, path: Path) -> Iterator[sqlite3.Connection]:
    """The database as it is now, in one transaction that another writer does not disturb.

    A reader in the WAL mode makes files beside the database and leaves them. Where nobody writes,
    the file is therefore read as one that cannot change, and looked at again afterwards.
    """
    alone = not any(Path(f"{path}{side}").exists() for side in SIDE_FILES)
    before = path.stat()
    address = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if alone else ''}"
    with (
        closing(sqlite3.connect(address, uri=True, timeout=WAIT_SECONDS)) as database,
        desk.watching(database),
    ):
        database.text_factory = bytes
        database.execute("PRAGMA trusted_schema = OFF")
        database.execute("BEGIN")
        yield database
    after = path.stat()
    changed = (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size)
    if alone and (changed or any(Path(f"{path}{side}").exists() for side in SIDE_FILES)):
        raise LeptonError(
            "somebody wrote to the database while it was read",
            where=str(path),
            hint="Import it again.",
        )


def _chosen(desk: Desk, path: Path, database: sqlite3.Connection) -> str:
    found = [
        (name.decode(errors="replace"), kind.decode())
        for name, kind in database.execute(
            "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"
            " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        )
    ]
    names: list[str] = [name for name, _ in found]
    if wanted := desk.options.table:
        for name in names:
            if name.lower() == wanted.lower():
                return name
        raise UsageError(f'no table "{wanted}"', where=str(path), hint=nearest(wanted, names))
    return one_table(path, [name for name, kind in found if kind == "table"] or names)


def _check(database: sqlite3.Connection, table: str) -> None:
    """Walk through the pages of a table. A rule that its rows break is its owner's affair."""
    is_view = database.execute(
        "SELECT 1 FROM sqlite_master WHERE name = ? AND type = 'view'", (table,)
    ).fetchone()
    for (found,) in () if is_view else database.execute(f"PRAGMA quick_check({quoted(table)})"):
        fault = found.decode(errors="replace")
        if fault != "ok" and not any(rule in fault for rule in RULES):
            raise sqlite3.DatabaseError(fault)


def _columns(desk: Desk, database: sqlite3.Connection, table: str) -> list[Kept]:
    """What each column holds, by the types of all of its cells."""
    described = database.execute(f"SELECT * FROM {quoted(table)} LIMIT 0").description
    declared = {
        name.decode(errors="replace"): kind.decode(errors="replace").upper()
        for _, name, kind, *_ in database.execute(f"PRAGMA table_info({quoted(table)})")
    }
    names = [name for name, *_ in described]
    kept: list[Kept] = []
    for start in range(0, len(names), COUNTED_AT_ONCE):
        part = names[start : start + COUNTED_AT_ONCE]
        cells = [f"typeof({quoted(name)})" for name in part]
        counts = ", ".join(
            f"coalesce(sum({cell} = '{kind}'), 0)" for cell in cells for kind in KINDS
        )
        found = database.execute(f"SELECT {counts} FROM {quoted(table)}").fetchone()
        for i, name in enumerate(part):
            held = dict(zip(KINDS, found[i * 4 : i * 4 + 4], strict=True))
            kept.append(_kept(desk, name, held, declared.get(name, "")))
    flags = [each.name for each in kept if each.type == "bool"]
    if flags:
        other = " OR ".join(f"{quoted(name)} NOT IN (0, 1)" for name in flags)
        query = f"SELECT 1 FROM {quoted(table)} WHERE {other} LIMIT 1"
        if database.execute(query).fetchone() is not None:
            return [Kept(k.name, "int64" if k.type == "bool" else k.type, k.text) for k in kept]
    return kept


def _kept(desk: Desk, name: str, held: dict[str, int], declared: str) -> Kept:
    if wanted := desk.options.types.get(name):
        if type_named(wanted) == "DOUBLE" and not held["text"] and not held["blob"]:
            # As text an infinite number would be none.
            return Kept(name, "double")
        return Kept(name, "string", text=True)
    if held["blob"]:
        if held["blob"] < sum(held.values()):
            desk.note(f'column "{name}" holds bytes and other values; all were kept as bytes')
        return Kept(name, "binary")
    if held["text"]:
        return Kept(name, "string", text=True)
    if held["real"]:
        return Kept(name, "double")
    if not held["integer"]:
        return Kept(name, "string", text=True)
    return Kept(name, "bool" if declared.startswith("BOOL") else "int64")


def _load(desk: Desk, database: sqlite3.Connection, table: str, columns: list[Kept]) -> int:
    """Put the rows into the desk's table `arrived`; their number."""
    import pyarrow as pa

    cursor = database.execute(f"SELECT * FROM {quoted(table)}")
    rows = broken = 0
    while batch := cursor.fetchmany(ROWS):
        made: dict[str, pa.Array] = {}
        for kept, values in zip(columns, zip(*batch, strict=True), strict=True):
            if kept.type == "string":
                texts = [_text(value) for value in values]
                broken += sum("\ufffd" in text for text in texts if text)
                made[kept.name] = pa.array(texts, pa.string())
            elif kept.type == "binary":
                made[kept.name] = pa.array([_bytes(value) for value in values], pa.binary())
            elif kept.type == "bool":
                made[kept.name] = pa.array(
                    [None if v is None else bool(v) for v in values], pa.bool_()
                )
            elif kept.type == "double":
                made[kept.name] = pa.array(
                    [None if v is None else float(v) for v in values], pa.float64()
                )
            else:
                made[kept.name] = pa.array(values, pa.int64())
        add(desk, pa.table(made))
        rows += len(batch)
        desk.progress(rows, 0)
    if broken:
        lost = counted(broken, "text")
        desk.note(f"{lost} not in UTF-8: what could not be read shows as \ufffd")
    return rows


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _bytes(value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    return str(value).encode()


@contextmanager
def _guarded(desk: Desk, path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        desk.check()
        text = str(error)
        if "locked" in text or "busy" in text:
            raise in_use(path, "holds the database locked") from error
        raise unreadable(path, "SQLite", error) from error
