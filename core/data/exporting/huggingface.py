"""A folder that Hugging Face `datasets` loads: Parquet files for each split, and a card.

Both say what the columns are: the Parquet files in the metadata of their schema, the card in its
head. Images and sounds are a struct of their bytes and a file name, as that library keeps them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.exporting.request import Request, Written, ending_of
from core.data.lake.version import Column
from core.data.lake.view import ROW_ID, SPLIT
from core.data.sources.said import counted
from core.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

MEDIA = {"image": "Image", "audio": "Audio"}
SHARD_BYTES = 500_000_000
GROUP_BYTES = 64_000_000
GROUP_ROWS = 100_000
BATCH = 8192
MEDIA_BATCH = 256
NOT_IN_A_SPLIT = re.compile(r"[^A-Za-z0-9_]+")


def write(request: Request, folder: Path) -> Written:
    """Write `data/SPLIT-00000-of-00001.parquet` and so on, and `README.md`.

    Rows of a version without splits are `train`. The split is told by the files, not by a column,
    unless it is the one that is asked for.

    Raises:
        UsageError: a column is of a type that the library has not, or there are no rows.
    """
    import pyarrow as pa

    by_split = request.by_split
    columns = [c for c in request.columns if not (by_split and c.name == SPLIT)]
    if not columns:
        raise UsageError("there are no columns to write", hint="Name others: --columns A,B.")
    names = [*dict.fromkeys([*(c.name for c in columns), *([SPLIT] if by_split else [])])]
    media = any(column.media in MEDIA for column in columns)
    shards: dict[str, _Shards] = {}
    without = 0
    (folder / "data").mkdir(parents=True)
    try:
        for batch in request.batches(names, MEDIA_BATCH if media else BATCH):
            table = pa.Table.from_batches([batch])
            for part, rows in _parts(table, by_split, request.split):
                if part is None:
                    without += rows.num_rows
                    continue
                made = _converted(rows, columns)
                if part not in shards:
                    shards[part] = _Shards(folder / "data", part, made.schema)
                shards[part].add(made)
        if not shards:
            raise UsageError("there are no rows to write", where=request.version.ref)
    finally:
        for each in shards.values():
            each.close()
    ordered = sorted(shards.values(), key=_by_use)
    for each in ordered:
        each.name_files()
    card = _card(request, ordered[0].schema, columns, ordered)
    (folder / "README.md").write_text(card, encoding="utf-8")
    notes = [f"{counted(without, 'row')} of no split left out"] if without else []
    return Written(sum(each.rows for each in ordered), notes)


def _by_use(shards: _Shards) -> tuple[int, str]:
    order = {"train": 0, "validation": 1, "test": 2}
    return order.get(shards.split, 3), shards.split


def _parts(table: pa.Table, by_split: bool, split: str | None) -> list[tuple[str | None, pa.Table]]:
    """The rows of each split, with its name as the library takes it."""
    import pyarrow.compute as pc

    if not by_split:
        return [(_split_name(split or "train"), table)]
    values = table[SPLIT].unique().to_pylist()
    if len(values) == 1:
        return [(None if values[0] is None else _split_name(str(values[0])), table)]
    found: list[tuple[str | None, pa.Table]] = []
    for value in values:
        mask = pc.is_null(table[SPLIT]) if value is None else pc.equal(table[SPLIT], value)
        found.append((None if value is None else _split_name(str(value)), table.filter(mask)))
    return found


def _split_name(split: str) -> str:
    return NOT_IN_A_SPLIT.sub("_", split).strip("_") or "other"


def _converted(rows: pa.Table, columns: Sequence[Column]) -> pa.Table:
    """The columns as the library has them, with its features in the schema's metadata."""
    import pyarrow as pa

    arrays, fields, features = [], [], {}
    for column in columns:
        array = rows[column.name]
        if column.media in MEDIA:
            array = _with_path(array, rows[ROW_ID])
            features[column.name] = {"_type": MEDIA[column.media]}
        else:
            kind = _plain_type(array.type, column.name)
            array = array.cast(kind)
            features[column.name] = _feature(kind)
        arrays.append(array)
        fields.append(pa.field(column.name, array.type))
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.table(arrays, schema=pa.schema(fields, metadata=metadata))


def _with_path(content: pa.ChunkedArray, ids: pa.ChunkedArray) -> pa.Array:
    """Media as struct{bytes, path}; a row without any is NULL."""
    import pyarrow as pa
    import pyarrow.compute as pc

    held = content.combine_chunks()
    paths = [
        f"{rid.as_py():07d}.{ending_of(each.as_py())}" if each.is_valid else None
        for rid, each in zip(ids, held, strict=True)
    ]
    return pa.StructArray.from_arrays(
        [held.cast(pa.binary()), pa.array(paths, pa.string())],
        fields=[pa.field("bytes", pa.binary()), pa.field("path", pa.string())],
        mask=pc.is_null(held),
    )


def _plain_type(kind: pa.DataType, name: str) -> pa.DataType:
    """The type without extensions, dictionaries and views.

    Raises:
        UsageError: the library has no such type.
    """
    import pyarrow as pa

    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string() if kind.extension_name == "arrow.uuid" else kind.storage_type
    if types.is_dictionary(kind):
        return _plain_type(kind.value_type, name)
    if types.is_string_view(kind):
        return pa.string()
    if types.is_binary_view(kind) or types.is_fixed_size_binary(kind):
        return pa.binary()
    if types.is_fixed_size_list(kind):
        return pa.list_(_plain_type(kind.value_type, name), kind.list_size)
    if types.is_list(kind) or types.is_large_list(kind):
        return pa.list_(_plain_type(kind.value_type, name))
    if types.is_struct(kind):
        return pa.struct([pa.field(f.name, _plain_type(f.type, name)) for f in kind])
    if types.is_map(kind) or types.is_interval(kind) or types.is_union(kind):
        raise UsageError(
            f'the column "{name}" is {kind}, which the datasets library has not',
            hint="Leave it out: --columns A,B.",
        )
    return kind


def _feature(kind: pa.DataType) -> Any:
    """The library's own words for a type, as it writes them in JSON."""
    import pyarrow as pa

    if pa.types.is_fixed_size_list(kind):
        return {"feature": _feature(kind.value_type), "length": kind.list_size, "_type": "Sequence"}
    if pa.types.is_list(kind):
        return [_feature(kind.value_type)]
    if pa.types.is_struct(kind):
        return {each.name: _feature(each.type) for each in kind}
    return {"dtype": _dtype(kind), "_type": "Value"}


def _dtype(kind: pa.DataType) -> str:
    import pyarrow as pa

    # Arrow's own words for these three are not those of the library.
    words = {pa.float64(): "float64", pa.float32(): "float32", pa.float16(): "float16"}
    return words.get(kind, str(kind).replace("[day]", ""))


@dataclass
class _Shards:
    """The Parquet files of one split; how many there are is known, and named, at the end."""

    folder: Path
    split: str
    schema: pa.Schema
    rows: int = 0
    bytes: int = 0
    paths: list[Path] = field(default_factory=list)
    _writer: pq.ParquetWriter | None = None
    _waiting: list[pa.Table] = field(default_factory=list)
    _waiting_bytes: int = 0

    def add(self, table: pa.Table) -> None:
        self._waiting.append(table)
        self._waiting_bytes += table.nbytes
        self.bytes += table.nbytes
        self.rows += table.num_rows
        rows = sum(each.num_rows for each in self._waiting)
        if self._waiting_bytes >= GROUP_BYTES or rows >= GROUP_ROWS:
            self._write_group()

    def _write_group(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._waiting:
            if self._writer is None:
                self.paths.append(self.folder / f"{self.split}-{len(self.paths):05d}.parquet")
                self._writer = pq.ParquetWriter(self.paths[-1], self.schema, compression="zstd")
            table = pa.concat_tables(self._waiting)
            self._writer.write_table(table, row_group_size=table.num_rows)
        self._waiting, self._waiting_bytes = [], 0
        if self.paths and self.paths[-1].stat().st_size >= SHARD_BYTES:
            self._finish_file()

    def _finish_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None

    def close(self) -> None:
        self._write_group()
        self._finish_file()

    def name_files(self) -> None:
        total = len(self.paths)
        self.paths = [
            path.rename(self.folder / f"{self.split}-{number:05d}-of-{total:05d}.parquet")
            for number, path in enumerate(self.paths)
        ]


def _card(
    request: Request, schema: pa.Schema, columns: Sequence[Column], parts: Sequence[_Shards]
) -> str:
    """README.md: in its head what the library reads, then a line for people."""
    version = request.version
    lines = ["---", "dataset_info:", "  features:"]
    for column in columns:
        if column.media in MEDIA:
            lines += [f"  - name: {_yaml(column.name)}", f"    dtype: {column.media}"]
        else:
            lines += _yaml_feature(column.name, schema.field(column.name).type, "  ")
    lines.append("  splits:")
    for part in parts:
        lines += [f"  - name: {part.split}", f"    num_bytes: {part.bytes}"]
        lines.append(f"    num_examples: {part.rows}")
    stored = sum(path.stat().st_size for part in parts for path in part.paths)
    lines += [f"  download_size: {stored}", f"  dataset_size: {sum(p.bytes for p in parts)}"]
    lines += ["configs:", "- config_name: default", "  data_files:"]
    for part in parts:
        lines += [f"  - split: {part.split}", f"    path: data/{part.split}-*.parquet"]
    counts = ", ".join(f"{part.split} {part.rows:,}" for part in parts)
    lines += ["---", "", f"# {version.dataset}", ""]
    lines += [f"Version {version.n} of the data set {version.dataset}: {counts} rows.", ""]
    return "\n".join(lines)


def _yaml_feature(name: str, kind: pa.DataType, indent: str) -> list[str]:
    return [f"{indent}- name: {_yaml(name)}", *_yaml_type(kind, f"{indent}  ")]


def _yaml_type(kind: pa.DataType, indent: str) -> list[str]:
    """A type beneath its name: `dtype: int64`, `list: string`, or `struct:` and its fields."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        value = kind.value_type
        inner = (
            [f"{indent}list:", *_yaml_type(value, f"{indent}  ")]
            if _is_nested(value)
            else [f"{indent}list: {_dtype(value)}"]
        )
        if pa.types.is_struct(value):
            inner = [f"{indent}list:"]
            for each in value:
                inner += _yaml_feature(each.name, each.type, indent)
        fixed = pa.types.is_fixed_size_list(kind)
        return [*inner, *([f"{indent}length: {kind.list_size}"] if fixed else [])]
    if pa.types.is_struct(kind):
        fields = [line for each in kind for line in _yaml_feature(each.name, each.type, indent)]
        return [f"{indent}struct:", *fields]
    return [f"{indent}dtype: {_dtype(kind)}"]


def _is_nested(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(kind))


def _yaml(text: str) -> str:
    """A string that YAML reads back whatever it holds: JSON's are."""
    return json.dumps(text, ensure_ascii=True)
