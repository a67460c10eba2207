"""What a version holds, drawn: a line for each column."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from core.data.profile import ColumnProfile, Profile
from screens.text import human_count, human_number, percent, plain

BARS = " ▁▂▃▄▅▆▇█"


def _table(*heads: str, right: Sequence[str] = (), grow: str = "") -> Table:
    table = Table(box=None, padding=(0, 1), expand=True, header_style="bold", pad_edge=False)
    for head in heads:
        table.add_column(
            head,
            justify="right" if head in right else "left",
            ratio=1 if head == grow else None,
            no_wrap=head != grow,
            overflow="ellipsis",
        )
    return table


def profile_table(profile: Profile) -> RenderableType:
    """A line for each column: type, what is missing, how many values, and their shape."""
    table = _table(
        "column",
        "type",
        "missing",
        "distinct",
        "values",
        right=("missing", "distinct"),
        grow="values",
    )
    for column in profile.columns:
        missing = percent(column.missing / max(profile.rows, 1), 1) if column.missing else "–"
        table.add_row(
            Text(plain(column.name)),
            Text(column.type.lower(), "dim"),
            Text(missing, "yellow" if column.missing else "dim"),
            human_count(column.distinct) if column.distinct is not None else "",
            _values(column),
        )
    return table


def _values(column: ColumnProfile) -> Text:
    if column.numbers is not None:
        n = column.numbers
        said = Text(
            f"{human_number(n['min'])} … {human_number(n['max'])}  mean {human_number(n['mean'])}  "
        )
        said.append(sparkline(n["histogram"] or []), "cyan")
        return said
    if column.images is not None:
        sizes = column.images["sizes"].items()
        return Text(", ".join(f"{size} {human_count(count)}" for size, count in sizes))
    top = ", ".join(
        f"{plain(str(value))} {human_count(count)}" for value, count in column.top or []
    )
    return Text(top)


def sparkline(counts: Sequence[int]) -> str:
    """A histogram in one line of block characters."""
    most = max(counts, default=0)
    return "".join(BARS[-(-count * 8 // most)] for count in counts) if most else ""
