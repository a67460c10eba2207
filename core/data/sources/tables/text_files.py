"""Plain text: a row for each line, each paragraph or each file; folders of it may be classes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.sources.columns import SPLIT_NAMES
from core.data.sources.desk import Arrived, Desk
from core.data.sources.said import counted
from core.data.sources.tables.plain_text import plain_utf8
from core.errors import LeptonError, UsageError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

BY = ("line", "paragraph", "file")
ROWS = 8_192
# What one cell may hold, and one batch: Arrow counts the bytes of a batch in 32 bits.
LONGEST_CELL = 1 << 30
BATCH_CHARACTERS = 64 << 20
PIECE = 1 << 20


@dataclass(frozen=True)
class Found:
    """A file of text, what its place in the folder says of it, and its place."""

    path: Path
    place: str
    label: str | None = None
    split: str | None = None


def read_text(desk: Desk, paths: list[Path]) -> Arrived:
    """Read text as rows of (text, line or paragraph, path, label, split), as far as they apply.

    `path` is there when there are several files. A folder for each class, under folders of train
    and test or not, gives `label` and `split`. Blank lines are skipped.

    Raises:
        UsageError: rows are asked for by something else than line, paragraph or file.
        LeptonError: a file cannot be read, or a line is too long for a cell.
    """
    import pyarrow as pa

    by = desk.options.text_by
    if by not in BY:
        raise UsageError(f'text cannot be read by "{by}"', hint=nearest(by, BY))
    found = find_texts(desk, paths)
    columns = {
        "text": True,
        by: by != "file",
        "path": len(found) > 1,
        "label": any(text.label for text in found),
        "split": any(text.split for text in found),
    }
    names = tuple(name for name, wanted in columns.items() if wanted)
    schema = pa.schema([(name, pa.int64() if name == by else pa.string()) for name in names])

    def batches() -> Iterator[pa.RecordBatch]:
        rows: list[tuple[str, int, Found]] = []
        size = kept = 0
        for done, text in enumerate(found, 1):
            for number, cell in _cells(desk, text, by):
                rows.append((cell, number, text))
                size += len(cell)
                if len(rows) == ROWS or size > BATCH_CHARACTERS:
                    yield _batch(rows, by, schema)
                    kept, rows, size = kept + len(rows), [], 0
                    desk.check()
            desk.progress(done, len(found))
        if rows:
            yield _batch(rows, by, schema)
        desk.judge(kept + len(rows), f"{by}s")
        if not kept and not rows:
            raise desk.fail("there is nothing but blank lines", hint="Name a file that holds text.")

    return Arrived(pa.RecordBatchReader.from_batches(schema, batches()), names)


def find_texts(desk: Desk, paths: list[Path]) -> list[Found]:
    """The files with their place below the folder they share, and the class that it speaks of.

    Where every folder at the top is one of train, validation and test and has folders itself,
    those are the classes. Else the folders at the top are, unless a file lies beside them.
    """
    if len(paths) == 1:
        return [Found(paths[0], Path(desk.called(paths[0])).name)]
    # As a person knows them: a packed file lies unpacked in a scratch folder of its own.
    called = [Path(desk.called(path)) for path in paths]
    root = Path(os.path.commonpath([path.parent for path in called]))
    places = [path.relative_to(root) for path in called]
    found = [Found(path, str(place)) for path, place in zip(paths, places, strict=True)]
    tops = {place.parts[0] for place in places if len(place.parts) > 1}
    splits = {top: SPLIT_NAMES.get(top.lower()) for top in tops}
    deep = {place.parts[0] for place in places if len(place.parts) > 2}
    if tops and deep == tops and all(splits.values()):
        kept = [
            Found(text.path, text.place, place.parts[1], splits[place.parts[0]])
            for text, place in zip(found, places, strict=True)
            if len(place.parts) > 2
        ]
        if others := len(found) - len(kept):
            desk.note(f"{counted(others, 'file')} of text in no class folder left out")
        order = {"train": 0, "validation": 1, "test": 2}
        return sorted(kept, key=lambda text: order.get(text.split or "", 3))
    if len(tops) > 1 and all(len(place.parts) > 1 for place in places):
        return [
            Found(text.path, text.place, place.parts[0])
            for text, place in zip(found, places, strict=True)
        ]
    return found


def _cells(desk: Desk, text: Found, by: str) -> Iterator[tuple[int, str]]:
    """The cells of one file, numbered as lines or paragraphs are; what is too long is rejected."""
    try:
        plain = plain_utf8(desk, text.path)
        with plain.open(encoding="utf-8-sig", errors="replace") as file:
            if by == "file":
                content = file.read(LONGEST_CELL + 1)
                if len(content) > LONGEST_CELL:
                    _too_long(desk, text, "the whole file")
                elif content.strip():
                    yield 1, content
                return
            lines = _lines(desk, text, iter(lambda: file.readline(PIECE), ""))
            if by == "paragraph":
                yield from _paragraphs(lines)
            else:
                yield from ((number, line) for number, line in lines if line)
        if plain != text.path:
            # There may be a great many of them.
            plain.unlink()
    except OSError as error:
        raise desk.fail(
            f"the file cannot be read: {error.strerror or error}",
            where=(text.place,),
            hint="Check your rights to read it.",
        ) from error
    except LeptonError as error:
        desk.failure = error
        raise


def _lines(desk: Desk, text: Found, pieces: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Numbered lines out of pieces of at most a megabyte; blank ones come as an empty string."""
    held: list[str] = []
    number = size = 0
    for piece in pieces:
        size += len(piece)
        if size <= LONGEST_CELL:
            held.append(piece)
        else:
            held.clear()
        if not piece.endswith("\n") and len(piece) == PIECE:
            continue
        number += 1
        if size > LONGEST_CELL:
            _too_long(desk, text, f"line {number:,}")
        else:
            line = "".join(held).removesuffix("\n")
            yield number, line if line.strip() else ""
        held, size = [], 0
    if held:
        yield number + 1, "".join(held)


def _too_long(desk: Desk, text: Found, place: str) -> None:
    desk.reject(place, "it is too long for one cell", file=desk.called(text.path))


def _paragraphs(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    number = 0
    held: list[str] = []
    for _, line in lines:
        if line:
            held.append(line)
        elif held:
            number += 1
            yield number, "\n".join(held)
            held = []
    if held:
        yield number + 1, "\n".join(held)


def _batch(rows: list[tuple[str, int, Found]], by: str, schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = {
        "text": [cell for cell, _, _ in rows],
        by: [number for _, number, _ in rows],
        "path": [text.place for _, _, text in rows],
        "label": [text.label for _, _, text in rows],
        "split": [text.split for _, _, text in rows],
    }
    return pa.RecordBatch.from_pydict({n: columns[n] for n in schema.names}, schema=schema)
