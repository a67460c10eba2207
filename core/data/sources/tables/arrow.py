"""Arrow files and streams, and Feather in both its versions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.sources.columns import hand_over, lake_type
from core.data.sources.desk import Arrived, Desk
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 122_880


def read_arrow(desk: Desk, paths: list[Path]) -> Arrived:
    """Read Arrow files of the same columns as one table.

    Every offset and every text is checked before it is used, for a damaged file would otherwise
    be read beyond its end. Words kept once (dictionaries) become plain text.

    Raises:
        LeptonError: a file is cut short or damaged, holds a type that has no place in the lake, or
            has other columns than the first.
        UsageError: there are no rows.
    """
    import pyarrow as pa

    rows = 0
    schema: pa.Schema | None = None
    for number, path in enumerate(paths, 1):
        with guarded(path):
            for batch in arrow_batches(path):
                batch.validate(full=True)
                plain = plain_batch(batch, path)
                if schema is None:
                    schema = plain.schema
                add(desk, pa.Table.from_batches([_like(schema, plain, path, paths[0])]))
                rows += plain.num_rows
                desk.check()
        desk.progress(number, len(paths))
    if not rows:
        raise UsageError(
            "there are no rows in it", where=str(desk.source), hint="Name a file that holds data."
        )
    described = desk.connection.execute("DESCRIBE arrived").fetchall()
    return hand_over(desk, "arrived", [lake_type(desk, name, kind) for name, kind, *_ in described])


def add(desk: Desk, table: pa.Table) -> None:
    """Put rows at the end of the desk's table `arrived`, which the first of them make."""
    desk.connection.register("batch", table)
    there = desk.connection.execute(
        "SELECT 1 FROM duckdb_tables() WHERE table_name = 'arrived' AND temporary"
    ).fetchall()
    made = "INSERT INTO arrived" if there else "CREATE TEMP TABLE arrived AS"
    desk.connection.execute(f"{made} SELECT * FROM batch")
    desk.connection.unregister("batch")


def arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of a file, of a stream, or of a file of Feather's first version."""
    import pyarrow as pa
    from pyarrow import feather

    with pa.memory_map(str(path)) as file:
        head = file.read(8)
        file.seek(0)
        if head.startswith(b"ARROW1"):
            reader = pa.ipc.open_file(file)
            for i in range(reader.num_record_batches):
                yield reader.get_batch(i)
        elif head.startswith(b"FEA1"):
            yield from feather.read_table(path, memory_map=False).to_batches(ROWS)
        else:
            yield from pa.ipc.open_stream(file)


def plain_batch(batch: pa.RecordBatch, path: Path) -> pa.RecordBatch:
    """The batch with unique names, and types that DuckDB takes in every batch alike."""
    import pyarrow as pa

    names: list[str] = []
    columns: list[pa.Array] = []
    taken: set[str] = set()
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        unique, number = name or "column", 1
        while unique.lower() in taken:
            unique, number = f"{name or 'column'}_{number}", number + 1
        taken.add(unique.lower())
        names.append(unique)
        try:
            columns.append(column.cast(_plain_type(column.type)))
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
            raise LeptonError(
                f'column "{name}" holds {column.type}, which cannot be imported',
                where=str(path),
                hint="Write it as another type, or leave the column out.",
            ) from error
    return pa.RecordBatch.from_arrays(columns, names=names)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return _plain_type(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_decimal(kind):
        return pa.float64()
    if pa.types.is_null(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_type(kind.item_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain_type(kind.value_type), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_plain_type(kind.value_type))
    return kind


def _like(schema: pa.Schema, batch: pa.RecordBatch, path: Path, first: Path) -> pa.RecordBatch:
    """The batch with the types of the first one, as long as no value changes."""
    import pyarrow as pa

    fault = ""
    if batch.schema.names != schema.names:
        odd = sorted(set(batch.schema.names) ^ set(schema.names))
        fault = f": {', '.join(odd[:5])}" if odd else ", or not in the same order"
    else:
        try:
            return batch.cast(schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            fault = f" of the same types: {error}"
    raise LeptonError(
        f"the Arrow files do not have the same columns{fault}",
        where=f"{path} beside {first}",
        hint="Import files of one schema at a time.",
    )


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Turn what the library raises at a damaged file into one error that names it."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise LeptonError(
            "the Arrow file is cut short or damaged",
            where=f"{path}: {str(error).splitlines()[0][:160]}",
            hint="Copy or download it again.",
        ) from error
