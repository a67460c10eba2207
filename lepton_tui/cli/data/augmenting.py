"""`lepton data augment`: what augmentations make of rows, before they are trained with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from core.errors import LeptonError, UsageError
from core.workspace import written_path
from lepton_tui.cli.data.entries import put_entry, put_settings
from lepton_tui.cli.data.group import JSON, app, open_lake
from lepton_tui.cli.output import in_colour, note, put, put_json, width
from screens.text import counted, percent, plain

if TYPE_CHECKING:
    from core.augmentation.example import Cell, Example

SHOWN = 3
_SUFFIXES = {"image": ".png", "audio": ".wav", "tokens": ".txt"}


@app.command()
def augment(
    *,
    dataset: str = typer.Argument(
        None, metavar="DATASET", help='A data set, "name" or "name@version".'
    ),
    words: list[str] = typer.Option(
        [], "--augment", metavar="A,B", help="Augmentations, such as crop,flip,rotate=15."
    ),
    row: list[int] = typer.Option(
        [],
        min=0,
        metavar="N",
        help=f"A row to show, by its id; again for more (first {SHOWN}).",
    ),
    column: str = typer.Option(None, metavar="COLUMN", help="The column of images, texts, sounds."),
    epochs: int = typer.Option(3, min=1, max=100, metavar="N", help="Epochs to show (3)."),
    seed: int = typer.Option(0, min=0, metavar="N", help="The seed of the training (0)."),
    out: Path = typer.Option(None, metavar="FOLDER", help="Write them as files into this folder."),
    force: bool = typer.Option(False, "--force", help="Replace files that are there."),
    listed: bool = typer.Option(False, "--list", help="List the augmentations and settings."),
    json: bool = JSON,
) -> None:
    """Show what augmentations make of rows, as training would; without DATASET, list them."""
    from core.augmentation import written
    from core.augmentation.material import cells, material, objects

    if listed or dataset is None:
        if words or row:
            raise UsageError("DATASET is missing", hint="lepton data augment DATASET --augment A,B")
        _list(json=json)
        return
    chosen = written.read(words)
    with open_lake().open(dataset) as view:
        found = material(view, column)
        if not chosen:
            names = ", ".join(each.name for each in written.fitting(found.kind))
            raise UsageError("no augmentation is named", hint=f"--augment, of these: {names}.")
        written.check(chosen, found.kind, what=f'the column "{found.column}"')
        rows = cells(view, found.column, ids=row, count=SHOWN)
        there = objects(view, found, rows)
        version = view.version
        ref = version.ref
    from core.augmentation.examples import examples

    made = examples(chosen, found.kind, rows, range(epochs), seed, objects=there)
    if there is not None:
        from screens.data.rows.boxes import with_boxes

        made = [*map(with_boxes, made)]
    paths = _write(made, _SUFFIXES[found.kind], out, force=force) if out is not None else {}
    if json:
        about = {"dataset": ref, "column": found.column, "seed": seed}
        put_json(
            about
            | {"augment": [each.word for each in chosen], "rows": [_facts(e, paths) for e in made]}
        )
        return
    if out is not None:
        put(f"{counted(len(paths), 'file')} written to {plain(str(out))}")
        return
    for example in made:
        put(f"row {example.row}" + (f"  {example.problem}" if example.problem else ""))
        if not example.problem:
            _PUT[found.kind](example)
        put()
    if len(rows) == 1 and any(each.mixes for each in chosen):
        note("Two rows are mixed: name one more with --row, to see it.")
    if why := written.refused(chosen, version.task):
        note(f"For training: {why}.")
        return
    note(f"Train with them: lepton train {dataset} --augment {written.written(chosen)}")


def _list(*, json: bool) -> None:
    from core.augmentation.written import catalogue

    every = catalogue()
    if json:
        put_json(every)
        return
    for each in every:
        put_entry(each["name"], f"{each['help']} ({', '.join(each['kinds'])})")
        put_settings(each["settings"])
    note("The first setting is name=value, others are added: --augment flip,crop=0.5:ratio=1.5")


def _contents(example: Example) -> list[tuple[str, Cell]]:
    """The row and what becomes of it, each with its name."""
    if example.problem:
        return []
    after = [(f"epoch {n}", each.content) for n, each in enumerate(example.after, 1)]
    return [("before", example.before), *after]


def _write(
    made: Sequence[Example], suffix: str, folder: Path, *, force: bool
) -> dict[tuple[int, str], Path]:
    """Files for all of them, by row and name; none is written when one is there already."""
    from core.atomic import write_bytes

    folder = written_path(folder)
    paths = {
        (each.row, name): folder / f"row-{each.row}-{name.replace(' ', '-')}{suffix}"
        for each in made
        for name, _ in _contents(each)
    }
    there = [path for path in paths.values() if path.exists()]
    if there and not force:
        raise UsageError("the file is there already", where=str(there[0]), hint="Use --force.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for each in made:
            for name, content in _contents(each):
                encoded = content.encode() if isinstance(content, str) else content
                write_bytes(paths[each.row, name], encoded)
    except OSError as error:
        raise LeptonError(
            f"the files cannot be written: {error.strerror}", where=str(folder)
        ) from error
    return paths


def _facts(example: Example, paths: dict[tuple[int, str], Path]) -> dict[str, Any]:
    """An example as JSON: a text as it is, media by their file or their size."""
    if example.problem:
        return {"row": example.row, "problem": example.problem}
    shown: list[dict[str, Any]] = [
        {"path": str(paths[example.row, name])} if paths else {"content": content}
        for name, content in _contents(example)
    ]
    for facts, boxes in zip(shown, (example.boxes, *(e.boxes for e in example.after)), strict=True):
        if boxes:
            facts["boxes"] = [
                {"label": label, "box": [round(edge, 2) for edge in edges]}
                for label, *edges in boxes
            ]
    after = [
        {"epoch": n, "share": each.share} | facts
        for n, (each, facts) in enumerate(zip(example.after, shown[1:], strict=True), 1)
    ]
    return {"row": example.row, "before": shown[0], "after": after, "partner": example.partner}


def _mixed(example: Example, at: int) -> str:
    """With what an example is mixed in an epoch, and how much of it is left."""
    share = example.after[at].share
    if share == 1:
        return ""
    return f"{percent(share)} its own, the rest of row {example.partner}"


def _put_pictures(example: Example) -> None:
    """The row and its epochs beside one another, as many as fit."""
    from lepton_tui.cli.predict import ansi_lines
    from screens.half_blocks import decode, picture

    each_width = 18
    most = max(1, (width() + 2) // (each_width + 2))
    shown = _contents(example)
    for start in range(0, len(shown), most):
        some = shown[start : start + most]
        drawn = []
        for _, content in some:
            assert isinstance(content, bytes)
            pixels = decode(content)
            drawn.append(
                ansi_lines(
                    picture(pixels, each_width, each_width // 2, colour=in_colour(sys.stdout))
                )
            )
        put("  ".join(f"{name:<{each_width}}" for name, _ in some).rstrip())
        for lines in zip(*drawn, strict=True):
            put("  ".join(lines))
    for at in range(len(example.after)):
        if mixed := _mixed(example, at):
            put(f"epoch {at + 1}: {mixed}")


def _put_texts(example: Example) -> None:
    for name, content in _contents(example):
        assert isinstance(content, str)
        put_entry(f"  {name}", content)


def _put_sounds(example: Example) -> None:
    from screens.data.rows.sound import heard, wave

    for name, content in _contents(example):
        assert isinstance(content, bytes)
        found = heard(content)
        upper, lower = wave(found.peaks, width() - 12)
        mixed = "" if name == "before" else _mixed(example, int(name.split()[1]) - 1)
        put(f"{name:<10}  {'  '.join(said for said in (found.said, mixed) if said)}")
        put(f"{'':<12}{upper}")
        put(f"{'':<12}{lower}")


_PUT = {"image": _put_pictures, "audio": _put_sounds, "tokens": _put_texts}
