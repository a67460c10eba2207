"""Data sets of Hugging Face `datasets` on disk: as it saves them itself, and as its Hub has them.

The first are folders of Arrow files with `state.json` and `dataset_info.json`, one for each split
under `dataset_dict.json`; the second are Parquet files called `train-00000-of-00002.parquet`. Both
say what their columns are. The library itself is not needed.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.data.lake.view import SPLIT
from core.data.sources.columns import SPLIT_NAMES, hand_over, lake_type
from core.data.sources.desk import Arrived, Desk
from core.data.sources.file_index import FileIndex
from core.data.sources.file_kind import by_name
from core.data.sources.folders import listing
from core.data.sources.media.media_rows import read_file
from core.data.sources.said import counted
from core.data.sources.tables.arrow import add, arrow_batches, guarded, plain_batch
from core.data.sources.tables.parquet import parquet_batches
from core.errors import LeptonError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

DICT, STATE, INFO = "dataset_dict.json", "state.json", "dataset_info.json"
MEDIA = ("Image", "Audio", "Video")
_SHARD = re.compile(r"(?P<split>.+?)-\d{5}-of-\d{5}(-[0-9a-f]+)?\.parquet")


@dataclass(frozen=True)
class _Part:
    """The files of one split, and what they say of their columns."""

    split: str | None
    files: list[Path]
    features: dict[str, Any]
    batches: Callable[[Path], Iterator[pa.RecordBatch]]


def is_huggingface(folder: Path, names: Sequence[str]) -> bool:
    """Whether a folder that holds these files is such a data set."""
    if (folder / DICT).is_file() or ((folder / STATE).is_file() and (folder / INFO).is_file()):
        return True
    kinds = Counter(map(by_name, names))
    if not kinds["parquet"] or any(kinds[kind] for kind in ("csv", "tsv", "jsonl", "arrow")):
        return False
    shards = [Path(name) for name in names if by_name(name) == "parquet"]
    splits = [_SHARD.fullmatch(path.name) for path in shards]
    return (
        len({path.parent for path in shards}) == 1
        and all(splits)
        and any(found["split"] in SPLIT_NAMES for found in splits if found)
    )


def read_huggingface(desk: Desk, paths: list[Path]) -> Arrived:
    """Read all splits as one table; where there are several, `split` says which a row is of.

    Images and sounds are columns of their bytes, classes the names that their numbers stand for;
    other nested values are kept as JSON text.

    Raises:
        UsageError: there are no rows.
        LeptonError: a file is missing, cut short or damaged, or the splits have other columns.
    """
    import pyarrow as pa

    (root,) = paths
    parts = _saved(root) if _is_saved(root) else _shards(root)
    index = _Files(root)
    schema: pa.Schema | None = None
    rows = done = 0
    count = sum(len(part.files) for part in parts)
    for part in parts:
        for path in part.files:
            with guarded(path):
                for batch in part.batches(path):
                    batch.validate(full=True)
                    plain = plain_batch(_resolved(batch, part.features, index, path), path)
                    if len(parts) > 1 and SPLIT not in plain.schema.names:
                        split = pa.array([part.split] * plain.num_rows, pa.string())
                        plain = plain.append_column(SPLIT, split)
                    schema = schema or plain.schema
                    add(desk, pa.Table.from_batches([_like(schema, plain, path, parts)]))
                    rows += plain.num_rows
                    desk.check()
            done += 1
            desk.progress(done, count)
    if not rows:
        raise UsageError(
            "there are no rows in it", where=str(root), hint="Name a folder that holds data."
        )
    for column, lost in index.lost.items():
        desk.note(
            f'{counted(lost, "file")} of the column "{column}" left out: not in the folder, so'
            " these cells are empty"
        )
    described = desk.connection.execute("DESCRIBE arrived").fetchall()
    return hand_over(desk, "arrived", [lake_type(desk, name, kind) for name, kind, *_ in described])


def _is_saved(root: Path) -> bool:
    return (root / DICT).is_file() or (root / STATE).is_file()


def _saved(root: Path) -> list[_Part]:
    """The splits as `save_to_disk` leaves them."""
    if not (root / DICT).is_file():
        return [_saved_part(root, None)]
    splits = _json(root / DICT).get("splits")
    if not isinstance(splits, list) or not splits or not all(map(_is_name, splits)):
        raise _broken(root / DICT, "it does not list the splits")
    return [_saved_part(root / split, split) for split in splits]


def _saved_part(folder: Path, split: str | None) -> _Part:
    state, info = _json(folder / STATE), {}
    if (folder / INFO).is_file():
        info = _json(folder / INFO)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise LeptonError(
            "the rows of this data set are chosen by a list of numbers beside them",
            where=str(folder),
            hint="Save it again after: dataset = dataset.flatten_indices()",
        )
    try:
        names = [each["filename"] for each in state["_data_files"]]
    except (KeyError, TypeError) as error:
        raise _broken(folder / STATE, "it does not list the files of rows") from error
    files = []
    for name in names:
        path = folder / str(name)
        if not _is_name(name) or not path.is_file():
            raise LeptonError(
                "a file of the data set is missing", where=str(path), hint="Copy it again, whole."
            )
        files.append(path)
    return _Part(split, files, info.get("features") or {}, arrow_batches)


def _shards(root: Path) -> list[_Part]:
    """The splits as the Hub has them, and `lepton data export --format huggingface` writes them."""
    import pyarrow.parquet as pq

    by_split: dict[str, list[Path]] = {}
    for path in listing(root).files:
        if found := _SHARD.fullmatch(path.name):
            by_split.setdefault(found["split"], []).append(path)
    if not by_split:
        raise UsageError(
            "there is no data set of Hugging Face in the folder",
            where=str(root),
            hint=f"It should hold {DICT}, {STATE}, or files like train-00000-of-00001.parquet.",
        )
    order = {"train": 0, "validation": 1, "test": 2}
    parts = []
    for split in sorted(by_split, key=lambda name: (order.get(SPLIT_NAMES.get(name, ""), 3), name)):
        with guarded(by_split[split][0]):
            metadata = pq.read_schema(by_split[split][0]).metadata or {}
        try:
            features = json.loads(metadata[b"huggingface"])["info"]["features"]
        except (KeyError, ValueError, TypeError):
            features = {}
        parts.append(_Part(split, by_split[split], features, parquet_batches))
    return parts


def _is_name(name: Any) -> bool:
    """Whether it is the name of something in a folder, not a way out of it."""
    return isinstance(name, str) and name not in ("", ".", "..") and "/" not in name


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _broken(path, str(error)[:160]) from error
    if not isinstance(found, dict):
        raise _broken(path, "it holds no object")
    return found


def _broken(path: Path, what: str) -> LeptonError:
    return LeptonError(
        f"the data set cannot be read: {what}", where=str(path), hint="Copy it again, whole."
    )


class _Files:
    """The files beside the rows, where those hold only names; and how many are not there."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._index: FileIndex | None = None
        self._names: list[str] = []
        self.lost: Counter[str] = Counter()

    def content(self, column: str, path: str) -> bytes | None:
        if self._index is None:
            self._names = listing(self._root).names
            above = len(str(self._root)) + 1
            self._index = FileIndex([name[above:] for name in self._names])
        at = self._index.find(path)
        found = read_file(self._names[at]) if at is not None else ""
        if isinstance(found, bytes):
            return found
        self.lost[column] += 1
        return None


def _resolved(
    batch: pa.RecordBatch, features: dict[str, Any], files: _Files, path: Path
) -> pa.RecordBatch:
    """The batch with media as bytes and classes as names."""
    for number, name in enumerate(batch.schema.names):
        told = features.get(name)
        feature = told if isinstance(told, dict) else {}
        kind = feature.get("_type")
        if kind in MEDIA:
            batch = batch.set_column(number, name, _bytes_of(batch.column(number), name, files))
        elif kind == "ClassLabel" and isinstance(feature.get("names"), list):
            named = _names_of(batch.column(number), feature["names"], name, path)
            batch = batch.set_column(number, name, named)
    return batch


def _bytes_of(column: pa.Array, name: str, files: _Files) -> pa.Array:
    """The bytes of media kept as a struct of bytes and path, as bytes, or as a path alone."""
    import pyarrow as pa

    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        return column
    if not pa.types.is_struct(column.type):
        paths, contents = column.to_pylist(), [None] * len(column)
    else:
        there = {column.type.field(i).name for i in range(column.type.num_fields)}
        flat = dict(zip([f.name for f in column.type], column.flatten(), strict=True))
        contents = flat["bytes"].to_pylist() if "bytes" in there else [None] * len(column)
        paths = flat["path"].to_pylist() if "path" in there else [None] * len(column)
    found = [
        files.content(name, path) if content is None and isinstance(path, str) else content
        for content, path in zip(contents, paths, strict=True)
    ]
    return pa.array(found, pa.large_binary())


def _names_of(column: pa.Array, names: list[Any], name: str, path: Path) -> pa.Array:
    """The names that the numbers of classes stand for; -1 is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_integer(column.type):
        return column
    known = pc.if_else(pc.equal(column, -1), None, column)
    bounds = pc.min_max(known).as_py()
    if bounds["min"] is not None and not 0 <= bounds["min"] <= bounds["max"] < len(names):
        raise LeptonError(
            f'the column "{name}" holds classes beyond the {len(names):,} that are named',
            where=str(path),
            hint="Copy it again, whole.",
        )
    return pa.array([str(each) for each in names], pa.string()).take(known)


def _like(
    schema: pa.Schema, batch: pa.RecordBatch, path: Path, parts: Sequence[_Part]
) -> pa.RecordBatch:
    """The batch in the columns of the first, as long as no value changes.

    Raises:
        LeptonError: it has others.
    """
    import pyarrow as pa

    first = parts[0].files[0]
    if set(batch.schema.names) != set(schema.names):
        odd = sorted(set(batch.schema.names) ^ set(schema.names))
        fault = f": {', '.join(odd[:5])}"
    else:
        try:
            return batch.select(schema.names).cast(schema)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            fault = f" of the same types: {str(error).splitlines()[0][:120]}"
    raise LeptonError(
        f"the parts of the data set do not have the same columns{fault}",
        where=f"{path} beside {first}",
        hint="Import the folder of one split at a time.",
    )
