"""What a column holds, drawn: one line of a list, and all there is to say below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from core.data.profile import ColumnProfile
from screens.text import (
    BARS,
    clip,
    counted,
    fit,
    human_bytes,
    human_count,
    human_number,
    percent,
    plain,
    sparkline,
)

NAME, TYPE = 14, 8
BAR = 12


def head_line() -> Text:
    """What stands over the list."""
    return Text(
        f"{fit('column', NAME)} {fit('type', TYPE)} {'missing':>7} {'distinct':>9}  shape",
        "bold",
        no_wrap=True,
    )


def column_line(column: ColumnProfile, rows: int) -> Text:
    """A column in one line, of which the first half says the most."""
    missing = percent(column.missing / max(rows, 1), 1) if column.missing else "–"
    distinct = human_count(column.distinct) if column.distinct is not None else ""
    return Text.assemble(
        fit(plain(column.name), NAME),
        (f" {fit(column.type.lower(), TYPE)}", "dim"),
        (f" {missing:>7}", "yellow" if column.missing else "dim"),
        f" {distinct:>9}  ",
        (_shape(column), "cyan"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _shape(column: ColumnProfile) -> str:
    if column.numbers is not None:
        bins = column.numbers.get("histogram")
        low, high = column.numbers["min"], column.numbers["max"]
        if not bins:
            return f"{low or '–'} … {high or '–'}"
        return sparkline(bins)
    if column.images is not None:
        return ", ".join(column.images["sizes"])
    if column.sounds is not None:
        return ", ".join(f"{rate} Hz" for rate in column.sounds["rates"])
    if column.words is not None:
        spoken = column.words["languages"] or {}
        return f"{column.words['mean']:g} words " + " ".join(list(spoken)[:3])
    return ", ".join(f"{plain(value)} {human_count(n)}" for value, n in column.top[:3])


def column_detail(column: ColumnProfile, rows: int) -> RenderableType:
    """Everything that is known of a column."""
    parts: list[RenderableType] = [_head(column, rows)]
    if column.numbers is not None and "mean" in column.numbers:
        parts += [_numbers(column.numbers)]
    elif column.numbers is not None:
        parts += [Text(f"{column.numbers['min']} … {column.numbers['max']}")]
    if column.text is not None:
        parts += [_text(column.text)]
    if column.words is not None:
        parts += _words(column.words)
    if column.images is not None:
        parts += _images(column.images)
    if column.sounds is not None:
        parts += _sounds(column.sounds)
    if column.top:
        parts += [_counts(column.top, rows)]
    return Group(*parts)


def _head(column: ColumnProfile, rows: int) -> Text:
    said = [column.type.lower()]
    if column.missing:
        said.append(f"{human_count(column.missing)} missing ({percent(column.missing / rows)})")
    if column.distinct is not None:
        said.append(f"{human_count(column.distinct)} different")
    return Text.assemble((plain(column.name), "bold"), f"  {' · '.join(said)}")


def _numbers(numbers: Mapping[str, Any]) -> RenderableType:
    def told(*keys: str) -> str:
        return "  ".join(f"{key} {human_number(numbers[key])}" for key in keys)

    ends = f"zeros {human_count(numbers['zeros'])}  negative {human_count(numbers['negative'])}"
    lines = [
        f"{told('min', 'mean', 'max', 'std')}  {ends}",
        told("q01", "q05", "q25", "median", "q75", "q95", "q99").replace("median", "q50"),
    ]
    bins = numbers["histogram"]
    if not bins:
        return Text("\n".join(lines))
    upper, lower = tall(bins)
    scale = f"{human_number(numbers['min'])} {'·' * 24} {human_number(numbers['max'])}"
    return Text.assemble(
        "\n".join(lines), "\n", (f"{upper}\n{lower}", "cyan"), "\n", (scale, "dim")
    )


def tall(counts: Sequence[int]) -> tuple[str, str]:
    """A histogram of two lines of blocks, each bin two cells wide."""
    most = max(counts, default=0) or 1
    eighths = [-(-count * 16 // most) for count in counts]
    upper = "".join(BARS[max(0, each - 8)] * 2 for each in eighths)
    return upper, "".join(BARS[min(8, each)] * 2 for each in eighths)


def _text(text: Mapping[str, float]) -> Text:
    said = (
        f"{text['shortest']:,.0f} to {text['longest']:,.0f} characters,"
        f" {human_number(text['mean'])} on average"
    )
    return Text(said + (f" · {text['empty']:,.0f} empty" if text["empty"] else ""))


def _words(words: Mapping[str, Any]) -> Iterable[RenderableType]:
    yield Text(
        f"{words['mean']:g} words on average · {counted(words['vocabulary'], 'different word')}"
        f" in {human_count(words['looked_at'])} texts"
    )
    if words["languages"]:
        told = [f"{name} {percent(share, 0)}" for name, share in words["languages"].items()]
        yield Text(f"languages: {', '.join(told[:6])}")
    elif words["languages"] is None:
        yield Text("languages: pip install 'lepton-tui[text]'", "dim")
    yield Text("words: " + ", ".join(f"{word} {n}" for word, n in words["top"]), "dim")


def _images(images: Mapping[str, Any]) -> Iterable[RenderableType]:
    for key in ("sizes", "modes", "formats"):
        yield Text(f"{key}: " + ", ".join(f"{name} {n}" for name, n in images[key].items()))
    light = images["brightness"]
    told = f"brightness {light:.2f} · " if light is not None else ""
    yield Text(f"{told}{human_bytes(images['mean_bytes'])} each, of {images['looked_at']}", "dim")


def _sounds(sounds: Mapping[str, Any]) -> Iterable[RenderableType]:
    if sounds["problem"]:
        yield Text(plain(sounds["problem"]), "yellow")
    if length := sounds["seconds"]:
        yield Text(
            f"{length['shortest']:g} to {length['longest']:g} s, {length['mean']:g} on average"
        )
    for key in ("rates", "channels", "formats"):
        yield Text(f"{key}: " + ", ".join(f"{name} ({n})" for name, n in sounds[key].items()))


def _counts(top: Sequence[tuple[str, int]], rows: int) -> Table:
    grid = Table.grid(padding=(0, 1))
    for _ in range(3):
        grid.add_column(no_wrap=True)
    most = max(n for _, n in top)
    for value, n in top:
        share = f"{human_count(n)} {percent(n / max(rows, 1))}"
        bar = "▇" * max(1, round(n / most * BAR))
        grid.add_row(Text(clip(plain(value), 28)), Text(bar, "cyan"), Text(share, "dim"))
    return grid
