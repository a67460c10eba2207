"""`lepton data label`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import typer

from core.errors import LeptonError, UsageError
from core.workspace import written_path
from lepton_tui.cli.data.group import DATASET, JSON, app, inputs_of, open_lake
from lepton_tui.cli.output import note, put, put_json, table
from screens.text import counted, plain, relative_time

if TYPE_CHECKING:
    from core.data.lake.journal import Entry, Label
    from core.data.lake.lake import Lake
    from core.data.lake.version import Version

SHOWN = 20


@app.command()
def label(
    *,
    dataset: str = DATASET,
    labels: list[str] = typer.Argument(
        None,
        metavar="ROW=LABEL",
        help="The _rid of a row and its label; nothing after the = takes the label away.",
    ),
    column: str = typer.Option(None, metavar="COLUMN", help="The column; the target if not named."),
    new: bool = typer.Option(False, "--new", help="The column may be one that is not there yet."),
    file: str = typer.Option(
        None, metavar="FILE", help="Labels in CSV or JSON Lines; - for standard input."
    ),
    source: str = typer.Option("human", metavar="SOURCE", help="Who says so: human, model, rule."),
    score: float = typer.Option(
        None, min=0, max=1, metavar="SCORE", help="How sure it is, from 0 to 1."
    ),
    by: str = typer.Option(None, metavar="NAME", help="Whose labels they are; yours if not named."),
    undo: bool = typer.Option(
        False, "--undo", help="Take your last label back, or your last N: --undo N."
    ),
    publish: bool = typer.Option(
        False, "--publish", help="Make a version of the labels that wait."
    ),
    show: bool = typer.Option(False, "--show", help="Show the labels that wait."),
    json: bool = JSON,
) -> None:
    """Label rows. Labels wait beside the rows until --publish makes a version of them.

    Any number of people and jobs can label at once. What a person says of a row stands above what
    a model or a rule says; else the last label stands.
    """
    from core.data.lake.journal import SOURCES

    if source not in SOURCES:
        raise UsageError(f'"{source}" labels nothing', hint=f"There are: {', '.join(SOURCES)}.")
    acts = [name for name, on in (("--undo", undo), ("--publish", publish), ("--show", show)) if on]
    if len(acts) > 1:
        raise UsageError(f"{acts[0]} and {acts[1]} do not go together", hint="One after the other.")
    if acts and (file or (labels and not undo)):
        raise UsageError(f"{acts[0]} goes without labels", hint="One after the other.")
    lake = open_lake()
    said: dict[str, Any] = {"source": source, "author": by}
    if undo:
        _undo(lake, dataset, column, _count(labels), said, json=json)
    elif publish:
        _publish(lake, dataset, column, json=json)
    elif show:
        _show(lake, lake.version(dataset), column, json=json)
    else:
        _add(
            lake,
            dataset,
            column,
            words=labels or [],
            file=file,
            score=score,
            said=said,
            new=new,
            json=json,
        )


def _add(
    lake: Lake,
    dataset: str,
    column: str | None,
    *,
    words: list[str],
    file: str | None,
    score: float | None,
    said: dict[str, Any],
    new: bool,
    json: bool,
) -> None:
    from core.data.labelling.labels import Labels
    from lepton_tui.cli.status import counting

    if not words and file is None:
        raise UsageError(
            "there are no labels",
            hint="Write ROW=LABEL, name a --file, or see those that wait: --show",
        )
    with Labels(lake, dataset, column, new=new) as session, counting("Labels") as progress:
        entries, empty = _read(file, session.column, progress) if file else ([], 0)
        entries += map(_entry, words)
        if score is not None:
            entries = [
                each if each.score is not None else each._replace(score=score) for each in entries
            ]
        unseen = session.unseen(entries)
        session.add(entries, **said)
        version, column = session.version, session.column
    holder, waits = _waiting(lake, version)
    if empty:
        note(f"note: {counted(empty, 'row')} without a label passed over")
    if unseen and column in version.column_names:
        shown = ", ".join(f'"{plain(value)}"' for value in unseen[:5])
        note(f"note: not in {column} until now: {shown}{' …' if len(unseen) > 5 else ''}")
    if json:
        put_json(
            {
                "dataset": version.ref,
                "column": column,
                "labels": len(entries),
                "passed_over": empty,
                "unseen": unseen,
                "waiting": sum(waits.values()),
            }
        )
        return
    put(f"{version.ref}: {counted(len(entries), 'label')} for {plain(column)}")
    _put_waiting(lake, holder, waits)
    times = f" {len(entries)}" if len(entries) > 1 else ""
    note(f"Take back: lepton data label {version.dataset} --undo{times}")


def _entry(word: str) -> Entry:
    from core.data.lake.journal import Entry

    row, equals, value = word.partition("=")
    if not equals or not row.strip().isdecimal():
        raise UsageError(
            f'"{word[:60]}" labels no row',
            hint="Write ROW=LABEL, such as 17=Adelie; ROW is the _rid.",
        )
    return Entry(int(row), value.strip() or None)


def _read(file: str, column: str, progress: Callable[[int, int], None]) -> tuple[list[Entry], int]:
    """The labels of a file, or of standard input for `-`.

    Raises:
        UsageError: there is no such file.
        LeptonError: a line of it cannot be read.
    """
    from core.data.labelling.label_file import read_labels

    name = "standard input" if file == "-" else file
    try:
        source = (
            nullcontext(sys.stdin)
            if file == "-"
            else written_path(file).open(encoding="utf-8", newline="")
        )
        with source as lines:
            return read_labels(_counted(lines, progress), name, column)
    except UnicodeDecodeError as error:
        raise LeptonError(
            "it is not UTF-8 text", where=name, hint="Save it as UTF-8, with commas between."
        ) from error
    except OSError as error:
        raise UsageError(
            f"it cannot be read: {error.strerror}", where=name, hint="Name a file of labels."
        ) from error


def _counted(lines: Iterable[str], progress: Callable[[int, int], None]) -> Iterator[str]:
    for at, line in enumerate(lines, 1):
        yield line
        if at % 1000 == 0:
            progress(at, 0)


def _count(words: list[str] | None) -> int:
    if not words:
        return 1
    if len(words) > 1 or not words[0].isdecimal() or int(words[0]) < 1:
        raise UsageError("--undo takes the number of labels, if any", hint="Such as: --undo 3")
    return int(words[0])


def _undo(
    lake: Lake, dataset: str, column: str | None, count: int, said: dict[str, Any], *, json: bool
) -> None:
    version = lake.version(dataset)
    undone = lake.labels.undo(version, count, column=column, **said)
    holder, waits = _waiting(lake, version)
    if json:
        taken = [each.to_json() for each in undone]
        put_json({"dataset": version.ref, "undone": taken, "waiting": sum(waits.values())})
        return
    if not undone:
        raise UsageError(
            "there is no label of yours to take back",
            where=version.ref,
            hint="Labels that are published go with their version: lepton data undo",
        )
    for each in undone[:SHOWN]:
        put(f"row {each.row}: {plain(each.column)} {_shown(each)} taken back")
    if len(undone) > SHOWN:
        put(f"and {len(undone) - SHOWN:,} more")
    if len(undone) < count:
        note(f"There were no more than {len(undone):,} of yours.")
    _put_waiting(lake, holder, waits)


def _publish(lake: Lake, dataset: str, column: str | None, *, json: bool) -> None:
    from core.data.labelling.labels import publish
    from core.ingest import note_again

    published = publish(lake, dataset, column)
    version = published.version
    found = note_again(lake, version)
    if published.gone:
        rows = ", ".join(map(str, published.gone[:10])) + (" …" if len(published.gone) > 10 else "")
        note(f"note: left out the labels of rows that are gone: {rows}")
    if json:
        put_json(published.to_json() | {"task": found.task, "target": found.target})
        return
    for name, count in published.labels.items():
        kind = "a new column" if name in published.made else "over what was there"
        put(f"{plain(name)}: {counted(count, 'label')}, {kind}")
    put(f"{version.ref}: {counted(version.rows, 'row')}, {counted(len(version.columns), 'column')}")
    if found is not version and found.target:
        put(f"for {found.task}: {inputs_of(found)} -> {plain(found.target)}")
    note(f"A step back: lepton data undo {version.dataset}")


def _show(lake: Lake, version: Version, column: str | None, *, json: bool) -> None:
    from core.data.labelling.labels import stranded

    holder, counts = _waiting(lake, version)
    waits = lake.labels.waiting(holder, column)
    if json:
        shown = [each.to_json() for each in waits.labels]
        put_json({"dataset": version.ref, "waiting": len(shown), "labels": shown})
    elif waits.labels:
        last = sorted(waits.labels, reverse=True)[:SHOWN]
        table(
            ("row", "column", "label", "by", "source", "score", "when"),
            [
                (
                    each.row,
                    each.column,
                    each.value,
                    each.author,
                    each.source,
                    each.score,
                    relative_time(each.time),
                )
                for each in last
            ],
        )
        if len(waits.labels) > SHOWN:
            note(f"The last {SHOWN} of {len(waits.labels):,}; --json has all.")
    if not json:
        _put_waiting(lake, holder, counts)
    if elsewhere := stranded(lake, version):
        note(f"note: {elsewhere}")


def _shown(label: Label) -> str:
    return "no label" if label.value is None else f'"{plain(label.value)}"'


def _waiting(lake: Lake, version: Version) -> tuple[Version, dict[str, int]]:
    """The newest version of the same rows, over which labels are laid, and how many wait for it."""
    same = (each for each in lake.versions(version.dataset) if each.origin == version.origin)
    holder = next(same, version)
    return holder, lake.labels.counts(holder)


def _put_waiting(lake: Lake, holder: Version, counts: dict[str, int]) -> None:
    if not counts:
        note("No labels wait to be published.")
        return
    told = ", ".join(f"{count:,} for {plain(name)}" for name, count in counts.items())
    # Rows of an earlier import are not those that the name alone means.
    newest = lake.version(holder.dataset).n == holder.n
    ref = holder.dataset if newest else holder.ref
    note(f"Wait to be published: {told}. lepton data label {ref} --publish")
