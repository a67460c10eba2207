"""What a person gives, made rows that a model can answer: files, folders, text, tables, pairs."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from core.data.lake.lake import Lake
from core.data.sources.file_kind import content_kind, read_head
from core.data.sources.signatures import IMAGE_SUFFIXES, SOUND_SUFFIXES, image_kind, sound_kind
from core.errors import UsageError, meant, nearest
from core.inference.messages import Row
from core.inference.tables import is_table, require, table_rows
from core.workspace import Workspace, written_path

if TYPE_CHECKING:
    from core.tasks.base import Task

_DATASET = re.compile(r"[a-z0-9][a-z0-9._-]*(?:@\d+)?")
_LAKE_ROWS = re.compile(rf"({_DATASET.pattern})#([\d,-]+)")
_PORTABLE_IMAGE = re.compile(rb"P[1-6]\s")
_MOST_ROWS = 100_000


class _Medium(NamedTuple):
    """Files that are each an input of their own."""

    suffixes: frozenset[str]
    one: str
    several: str
    known: Callable[[bytes], bool]


_MEDIA = {
    "image": _Medium(
        IMAGE_SUFFIXES,
        "an image",
        "image files",
        lambda head: image_kind(head) is not None or _PORTABLE_IMAGE.match(head) is not None,
    ),
    "audio": _Medium(
        SOUND_SUFFIXES, "a sound", "sound files", lambda head: sound_kind(head) is not None
    ),
}


def read_inputs(workspace: Workspace, task: Task, given: Sequence[object]) -> list[Row]:
    """Rows for a task, each with the name by which the person knows it.

    Each of `given` is one of: a row as a mapping or JSON object; `name#3,7-9` or `name@2#3`, rows
    of a data set by their row id; the path of a table file; and, by what the task reads, an image
    or a sound, a folder or pattern of them; a text, or a text file with one text a line;
    `column=value` pairs, of which one row may take several of `given`.

    Raises:
        UsageError: a file is missing or not of that kind, a column is missing or unknown.
        LeptonError: a table file is damaged as a whole.
    """
    return list(stream_inputs(workspace, task, given))


def stream_inputs(workspace: Workspace, task: Task, given: Iterable[object]) -> Iterator[Row]:
    """The rows of `read_inputs` as they come: of a large file a few are in memory at a time.

    Where rows are answered together, all have to be there before the first is.

    Raises:
        As `read_inputs`, in the midst of the rows too.
    """
    rows = _each(workspace, task, given)
    return iter(_gathered(task, rows)) if task.gathers else rows


def _each(workspace: Workspace, task: Task, given: Iterable[object]) -> Iterator[Row]:
    pairs: dict[str, str] = {}
    for each in given:
        found = _pairs(each, task, free=task.reads == "tokens") if isinstance(each, str) else None
        if pairs and (found is None or pairs.keys() & found.keys()):
            yield _row(task, pairs, empty="Write {}= to leave it empty.")
            pairs = {}
        if found is None:
            yield from _read(workspace, task, each)
        else:
            pairs |= found
    if pairs:
        yield _row(task, pairs, empty="Write {}= to leave it empty.")


def lake_rows(workspace: Workspace, task: Task, ref: str, ids: Sequence[int]) -> list[Row]:
    """Rows of a data set's version by row id, with their truth where it has the target.

    Raises:
        UsageError: no such data set, version, row or column.
    """
    with Lake(workspace).open(ref) as view:
        require(task.columns, view.version.column_names, view.version.ref)
        found = task.look_up(view, ids)
        missing = {*ids} - {*found}
        if missing:
            raise UsageError(
                f"there is no row {min(missing)}",
                where=view.version.ref,
                hint=f"It has {view.version.rows:,} rows.",
            )
        at = view.version.ref
    return [Row(f"{ref}#{rid}", found[rid][0], truth=found[rid][1], place=(at, rid)) for rid in ids]


def _read(workspace: Workspace, task: Task, given: object) -> Iterable[Row]:
    kind = task.reads
    medium = _MEDIA.get(kind)
    if isinstance(given, Row):
        return [given]
    if isinstance(given, Mapping):
        return [_row(task, given)]
    if isinstance(given, bytes) and medium:
        return [Row(f"{len(given)} bytes", {task.columns[0]: given})]
    if not isinstance(given, str | Path):
        raise UsageError(f"{type(given).__name__} is no input", hint=wanted(task))
    text = str(given)
    if isinstance(given, str):
        if text.lstrip().startswith(("{", "[{")):
            return [_row(task, each) for each in _objects(text)]
        if named := _LAKE_ROWS.fullmatch(text):
            return lake_rows(workspace, task, named[1], _numbers(named[2]))
    path = written_path(given)
    if task.gathers and _DATASET.fullmatch(text) and not _exists(path):
        return _latest(workspace, task, text)
    # An empty text is no path, though Path takes it for the working folder.
    if text and _exists(path):
        return _path(workspace, task, path)
    looks_path = isinstance(given, Path) or is_table(path) or path.suffix == ".txt"
    if kind == "tokens" and not (looks_path and not re.search(r"\s", text)):
        return [Row(text, {task.columns[0]: text})]
    if glob.has_magic(text) and (medium or looks_path):
        matched = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207
        files = [each for each in matched if each.is_file()]
        if not files:
            raise UsageError("no file matches", where=text, hint="Check the pattern.")
        return (row for each in files for row in _matched(workspace, task, each))
    if text in {each.dataset for each in Lake(workspace).datasets()}:
        raise UsageError(f'"{text}" is a data set', hint=f"Name rows of it: {text}#0-9")
    if medium or looks_path:
        raise _missing(task, path)
    hint = meant(path.name, _beside(path)) or wanted(task)
    raise UsageError(f'"{text}" is neither a row nor a file', hint=hint)


def _latest(workspace: Workspace, task: Task, ref: str) -> list[Row]:
    """The rows that a whole data set is answered by."""
    lake = Lake(workspace)
    name = ref.partition("@")[0]
    if all(each.dataset != name for each in lake.datasets()):
        tables = [each for each in _beside(Path(ref)) if is_table(Path(each))]
        raise UsageError(
            f'there is neither a file nor a data set "{ref}"',
            hint=nearest(name, [*tables, *(each.dataset for each in lake.datasets())]),
        )
    with lake.open(ref) as view:
        require(task.columns, view.version.column_names, view.version.ref)
        ids = task.latest(view)
    return lake_rows(workspace, task, ref, ids)


def _gathered(task: Task, rows: Iterable[Row]) -> list[Row]:
    """Rows that are parts of one made that one, its columns lists; they come last."""
    made: list[Row] = []
    parts: dict[str, list[Row]] = {}
    for row in rows:
        name = None if row.error else task.part_of(row.values)
        if name is None:
            made.append(row)
        else:
            parts.setdefault(name, []).append(row)
    return made + [
        Row(
            name or own[-1].input,
            {column: [row.values[column] for row in own] for column in task.columns},
            typed=all(row.typed for row in own),
        )
        for name, own in parts.items()
    ]


def _path(workspace: Workspace, task: Task, path: Path) -> Iterable[Row]:
    medium = _MEDIA.get(task.reads)
    if path.is_dir():
        if medium is None:
            raise UsageError("this is a folder", where=str(path), hint=wanted(task))
        found = sorted(p for p in path.rglob("*") if p.suffix.lower() in medium.suffixes)
        if not found:
            what = f"the folder holds no {medium.one.split()[1]}"
            raise UsageError(what, where=str(path), hint=wanted(task))
        return (_file(task, each) for each in found)
    if is_table(path):
        rows = table_rows(workspace, path, task.columns)
        return (_files_beside(path, row, task) for row in rows) if medium else rows
    head = read_head(path)
    if medium:
        if not medium.known(head):
            what = f"the file is not {medium.one}: this is {content_kind(head)}"
            raise UsageError(what, where=str(path))
        return [_file(task, path)]
    if task.reads == "tokens" and content_kind(head) == "text":
        return _lines(path, task.columns[0])
    raise UsageError(
        f"the file is no input: this is {content_kind(head)}", where=str(path), hint=wanted(task)
    )


def _lines(path: Path, column: str) -> Iterator[Row]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.strip():
                text = line.rstrip("\r\n")
                yield Row(text, {column: text})


def _matched(workspace: Workspace, task: Task, path: Path) -> Iterable[Row]:
    """A file that a pattern found: one of the task's medium is told damaged when it is answered."""
    if task.reads in _MEDIA and not is_table(path):
        return [_file(task, path)]
    return _path(workspace, task, path)


def _file(task: Task, path: Path) -> Row:
    return Row(str(path), {task.columns[0]: path.absolute()})


def _files_beside(table: Path, row: Row, task: Task) -> Row:
    """A text where an image or a sound belongs is a file's path, seen from the table's folder."""
    (column,) = task.columns
    value = row.values.get(column)
    if not isinstance(value, str):
        return row
    return replace(row, values={column: table.parent.absolute() / value})


def _pairs(text: str, task: Task, *, free: bool) -> dict[str, str] | None:
    """`column=value` pairs, in any number; None when the text does not begin with one.

    A known column's name may hold blanks, and so may a value. In `free` text only known columns
    count, for a sentence may hold an equals sign.
    """
    known = "|".join(re.escape(name) for name in sorted(task.columns, key=len, reverse=True))
    name = known if free else rf"{known}|[A-Za-z_][\w.-]*"
    starts = list(re.finditer(rf"(?:^|(?<=[\s,;]))({name})=", text.strip()))
    if not starts or starts[0].start() or _exists(Path(text)):
        return None
    ends = [start.start() for start in starts[1:]] + [len(text.strip())]
    found: dict[str, str] = {}
    for start, end in zip(starts, ends, strict=True):
        if start[1] not in task.columns:
            raise UsageError(
                f'the model reads no column "{start[1]}"', hint=nearest(start[1], task.columns)
            )
        value = text.strip()[start.end() : end]
        if end != ends[-1]:
            value = value.rstrip().rstrip(",;")
        found[start[1]] = re.sub(r"""^(["'])(.*)\1$""", r"\2", value.strip())
    return found


def _row(
    task: Task, given: Mapping[str, Any], empty: str = "Set {} to null to leave it empty."
) -> Row:
    """A row that a person wrote; what it says of a missing column may be a slip of the pen."""
    missing = [name for name in task.columns if name not in given]
    if missing:
        others = [str(name) for name in given if name not in task.columns]
        hint = meant(missing[0], others) or empty.format(missing[0])
        require(task.columns, tuple(given), "columns: " + ", ".join(map(str, given)), hint)
    values = {name: None if given[name] == "" else given[name] for name in task.columns}
    shown = " ".join(
        f"{name}={'' if value is None else value}"
        for name, value in values.items()
        if not isinstance(value, bytes)
    )
    return Row(shown, values, typed=True)


def _objects(text: str) -> list[dict[str, Any]]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"broken JSON: {error}", where=text[:80]) from error
    objects = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in objects):
        raise UsageError("a row in JSON is an object", where=text[:80])
    return objects


def _numbers(text: str) -> list[int]:
    """ "3,7-9" as [3, 7, 8, 9]."""
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise UsageError(f'"{text}" are no row ids', hint='Write them as in "name#3,7-9".')
        end = int(last) if dash else int(first)
        if len(numbers) + end - int(first) >= _MOST_ROWS:
            raise UsageError(f"these are more than {_MOST_ROWS:,} rows", where=text)
        numbers += range(int(first), end + 1)
    return numbers


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        # A long text is no file name, and neither is one with a NUL.
        return False


def _beside(path: Path) -> list[str]:
    """The names in the folder where the path lies; none if it cannot be read."""
    try:
        return [each.name for each in path.parent.iterdir()]
    except OSError:
        return []


def _missing(task: Task, path: Path) -> UsageError:
    hint = meant(path.name, _beside(path)) or wanted(task)
    return UsageError("no such file or folder", where=str(path), hint=hint)


def wanted(task: Task) -> str:
    """What a model of this task can be given, as a hint."""
    if medium := _MEDIA.get(task.reads):
        return f"Give {medium.several}, a folder of them, or a table file."
    if task.gathers:
        return "Give a data set, rows of one, or a table file."
    if task.reads == "tokens":
        return "Give a text, a text file, or a table file."
    return f"Give {task.columns[0]}=value and so on, a JSON object, or a table file."
