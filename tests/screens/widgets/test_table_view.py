"""The table: it asks for what it shows, draws what it was given, and is moved by keys and mouse."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from screens.widgets.pages import PAGE_COLUMNS, PAGE_ROWS, PAGES_KEPT, Page, Pages
from screens.widgets.table_view import ColumnHead, TableView
from tests.screens.widgets.stage import (
    THEMES,
    contrast,
    done,
    heard,
    lines,
    stage,
    style_at,
    styles,
)

MANY = 1_000_000


class Source:
    """Numbered rows; remembers which pages were asked for, and can be made to wait."""

    def __init__(self, rows: int = MANY, *, name: str = "row") -> None:
        self.rows = rows
        self.name = name
        self.asked: list[int] = []
        self.open = threading.Event()
        self.open.set()
        self.counting = threading.Event()
        self.counting.set()
        self.inside = 0
        self.most_inside = 0

    @property
    def columns(self) -> Sequence[ColumnHead]:
        return [ColumnHead("n", "bigint"), ColumnHead("words", "varchar")]

    def count(self) -> int:
        assert self.counting.wait(30)
        return self.rows

    def page(self, offset: int, limit: int, columns: range) -> Sequence[Sequence[Any]]:
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        self.asked.append(offset // PAGE_ROWS)
        assert self.open.wait(30)
        self.inside -= 1
        return [(n, f"{self.name} {n}") for n in range(offset, min(offset + limit, self.rows))]


class Fixed(Source):
    """The rows of a list."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        super().__init__(len(rows))
        self.heads = [ColumnHead(name) for name in columns]
        self.given = rows

    @property
    def columns(self) -> Sequence[ColumnHead]:
        return self.heads

    def page(self, offset: int, limit: int, columns: range) -> Sequence[Sequence[Any]]:
        rows = self.given[offset : offset + limit]
        return [row[columns.start : columns.stop] for row in rows]


class Broken(Source):
    def page(self, offset: int, limit: int, columns: range) -> Sequence[Sequence[Any]]:
        super().page(offset, limit, columns)
        raise OSError("[b]disk\x1b[31m\nis gone")


def table(pilot: Pilot[None]) -> TableView:
    return pilot.app.query_one(TableView)


async def test_rows_under_a_head_with_numbers_at_the_right() -> None:
    given = [(7, "a", None), (1234, "b", 0.5), (-1, "c", float("nan"))]
    source = Fixed(["n", "words", "share"], given)
    async with stage(lambda: TableView(source), (40, 6)) as pilot:
        assert lines(pilot) == [
            " n     words  share",
            "    7  a      ∅",
            " 1234  b        0.5",
            "   -1  c        nan",
        ]


async def test_the_types_stand_under_the_names() -> None:
    async with stage(lambda: TableView(Source(1), show_types=True), (40, 6)) as pilot:
        assert lines(pilot) == [" n       words", " bigint  varchar", "      0  row 0"]


@pytest.mark.parametrize(
    ("source", "said"),
    [(None, "nothing yet"), (Source(0), "nothing yet"), (Source(1), "row 0")],
    ids=["no source", "no row", "one row"],
)
async def test_little_to_show(source: Source | None, said: str) -> None:
    async with stage(lambda: TableView(source, empty="nothing yet"), (40, 6)) as pilot:
        await pilot.press("end", "right")
        await done(pilot)
        assert said in "\n".join(lines(pilot))
        assert table(pilot).cursor_row == 0


async def test_only_the_pages_in_view_are_asked_for() -> None:
    source = Source()
    async with stage(lambda: TableView(source)) as pilot:
        assert source.asked == [0]
        await pilot.press("end")
        await done(pilot)
        assert source.asked == [0, (MANY - 1) // PAGE_ROWS]
        assert lines(pilot)[-1].split() == ["999999", "row", "999999"]


async def test_a_view_across_two_pages_asks_for_both() -> None:
    source = Source()
    async with stage(lambda: TableView(source)) as pilot:
        table(pilot).scroll_to(y=PAGE_ROWS * 5 - 10, animate=False)
        await done(pilot)
        assert source.asked == [0, 4, 5]


async def test_a_fast_scroll_skips_the_pages_between() -> None:
    source = Source()
    async with stage(lambda: TableView(source)) as pilot:
        source.open.clear()
        for page in range(48, 60):
            table(pilot).scroll_to(y=page * PAGE_ROWS, animate=False)
            await pilot.pause()
        assert lines(pilot)[3].split() == ["·", "·"]
        source.open.set()
        await done(pilot)
        assert source.asked == [0, 48, 59]
        assert source.most_inside == 1, "it is never asked twice at a time"
        assert lines(pilot)[3].split() == ["7554", "row", "7554"]


def test_few_pages_are_kept_and_one_that_was_dropped_comes_again() -> None:
    source = Source()
    pages = Pages(source)
    for number in [0, *range(1, PAGES_KEPT + 2), 0]:
        row = number * PAGE_ROWS
        asked = pages.ask(row, row + 20, range(2))
        assert asked == Page(number)
        for loaded in pages.fetch(asked):
            pages.take(loaded)
        assert pages.ask(row, row + 20, range(2)) is None
    assert pages.row(0) == (0, "row 0")
    assert pages.row(PAGE_ROWS) is None


async def test_rows_are_seen_before_they_are_counted() -> None:
    source = Source()
    source.counting.clear()
    async with stage(TableView) as pilot:
        table(pilot).source = source
        while "row 0" not in "\n".join(lines(pilot)):
            await pilot.pause()
        assert table(pilot).row_count is None
        source.counting.set()
        await done(pilot)
        assert table(pilot).row_count == MANY


async def test_an_answer_that_comes_after_the_source_has_changed_is_dropped() -> None:
    late = Source(name="late")
    late.open.clear()
    async with stage(TableView, (40, 6)) as pilot:
        table(pilot).source = late
        table(pilot).source = Source(3, name="new")
        while "new 0" not in "\n".join(lines(pilot)):
            await pilot.pause()
        late.open.set()
        await done(pilot)
        assert "new 0" in lines(pilot)[1]
        assert table(pilot).row_count == 3


async def test_a_source_that_fails_after_it_was_left_is_no_failure() -> None:
    late = Broken()
    late.open.clear()
    async with stage(TableView, (40, 6)) as pilot:
        table(pilot).source = late
        table(pilot).source = Source(3)
        late.open.set()
        await done(pilot)
        assert not heard(pilot, TableView.LoadFailed)
        assert "row 0" in lines(pilot)[1]


async def test_a_source_that_fails_is_told_and_not_asked_again() -> None:
    source = Broken()
    async with stage(lambda: TableView(source), (60, 6)) as pilot:
        (failed,) = heard(pilot, TableView.LoadFailed)
        assert isinstance(failed.error, OSError)
        assert lines(pilot)[1] == " ✗ the rows cannot be read: [b]disk␛[31m⏎is gone"
        await pilot.press("down", "pagedown")
        await done(pilot)
        assert source.asked == [0]
        table(pilot).source = Source(2)
        await done(pilot)
        assert "row 0" in lines(pilot)[1]


async def test_the_cursor_goes_by_keys_and_tells_its_row() -> None:
    async with stage(lambda: TableView(Source(500)), (40, 11)) as pilot:
        steps = [
            ("j", 1),
            ("down", 2),
            ("k", 1),
            ("pagedown", 10),
            ("pageup", 1),
            ("G", 499),
            ("down", 499),
            ("home", 0),
            ("up", 0),
            ("end", 499),
            ("g", 0),
        ]
        for key, row in steps:
            await pilot.press(key)
            await done(pilot)
            assert table(pilot).cursor_row == row, key
        told = [message.index for message in heard(pilot, TableView.RowHighlighted)]
        assert told == [0, 1, 2, 1, 10, 1, 499, 0, 499, 0]


async def test_enter_chooses_a_row_that_is_still_to_come() -> None:
    source = Source()
    async with stage(lambda: TableView(source)) as pilot:
        source.open.clear()
        await pilot.press("end", "enter")
        (chosen,) = heard(pilot, TableView.RowSelected)
        assert chosen.index == MANY - 1
        source.open.set()
        await done(pilot)


class Wide(Source):
    """Five thousand columns, the values of which are wider than their names."""

    def __init__(self) -> None:
        super().__init__(500)
        self.parts: list[range] = []

    @property
    def columns(self) -> Sequence[ColumnHead]:
        return [ColumnHead(f"c{n}") for n in range(5000)]

    def page(self, offset: int, limit: int, columns: range) -> Sequence[Sequence[Any]]:
        self.parts.append(columns)
        rows = range(offset, min(offset + limit, self.rows))
        return [[f"value {row}.{column}" for column in columns] for row in rows]


def across(*numbers: int) -> list[range]:
    return [range(n * PAGE_COLUMNS, (n + 1) * PAGE_COLUMNS) for n in numbers]


async def test_of_many_columns_only_those_near_what_is_seen_are_asked_for() -> None:
    source = Wide()
    async with stage(lambda: TableView(source, cell_cursor=True), (60, 8)) as pilot:
        assert source.parts == across(0)
        table(pilot).cursor_column = 2530
        await done(pilot)
        assert "value 0.2530" in lines(pilot)[1]
        assert source.parts == across(0, 2530 // PAGE_COLUMNS)
        await pilot.press("end")
        await done(pilot)
        assert "value 499.2530" in lines(pilot)[-2]
        assert source.parts == across(0, *[2530 // PAGE_COLUMNS] * 2)


async def test_what_is_seen_stays_where_it_is_when_columns_beside_it_come_and_grow() -> None:
    source = Wide()
    async with stage(lambda: TableView(source), (60, 8)) as pilot:
        # Ten columns of the first page have a digit less.
        wide = len(" value 127.63 ") * PAGE_COLUMNS - 10
        last = 10 * PAGE_COLUMNS - 1
        beyond = sum(len(f" c{n} ") for n in range(PAGE_COLUMNS, last))
        # The view begins in one page and ends in the next: both come, one after the other.
        table(pilot).scroll_to(x=wide + beyond, animate=False)
        await pilot.pause()
        assert lines(pilot)[0].startswith(f" c{last} ")
        await done(pilot)
        assert lines(pilot)[0].split()[0] == f"c{last}"
        assert lines(pilot)[1].split()[1] == f"0.{last}"


async def test_columns_that_stand_still_are_fetched_with_those_far_from_them() -> None:
    source = Wide()

    def make() -> TableView:
        made = TableView(cell_cursor=True)
        made.fixed = 1
        made.source = source
        return made

    async with stage(make, (60, 8)) as pilot:
        table(pilot).cursor_column = 4999
        await pilot.press("end")
        await done(pilot)
        last = lines(pilot)[-1]
        assert last.startswith(" value 499.0│")
        assert last.endswith(" value 499.4999")


async def test_a_click_points_and_one_more_opens() -> None:
    async with stage(lambda: TableView(Source()), (40, 11)) as pilot:
        table(pilot).scroll_to(y=1000, animate=False)
        await done(pilot)
        await pilot.click(TableView, offset=(3, 4))
        await done(pilot)
        assert table(pilot).cursor_row == 1003
        assert not heard(pilot, TableView.RowSelected)
        await pilot.click(TableView, offset=(3, 0))
        assert table(pilot).cursor_row == 1003
        await pilot.click(TableView, offset=(3, 4))
        await done(pilot)
        (chosen,) = heard(pilot, TableView.RowSelected)
        assert chosen.index == 1003


async def test_the_row_at_the_cursor_is_drawn_apart() -> None:
    async with stage(lambda: TableView(Source(9)), (40, 11)) as pilot:
        await pilot.press("down")
        await pilot.pause()
        grounds = [style_at(pilot, 1, y).bgcolor for y in range(1, 5)]
        assert grounds[1] not in (grounds[0], grounds[2], grounds[3])
        table(pilot).blur()
        await pilot.pause()
        assert style_at(pilot, 1, 2).bgcolor not in grounds


async def test_another_source_starts_at_its_first_row() -> None:
    async with stage(lambda: TableView(Source()), (40, 11)) as pilot:
        await pilot.press("end")
        await done(pilot)
        table(pilot).source = Source(name="other")
        await done(pilot)
        assert "other 0" in lines(pilot)[1]
        assert heard(pilot, TableView.RowHighlighted)[-1].index == 0


async def test_columns_scroll_by_their_left_edges_with_their_heads() -> None:
    names = [f"column_{n}" for n in range(9)]
    source = Fixed(names, [[f"value {n}" for n in range(9)]])
    async with stage(lambda: TableView(source), (30, 5)) as pilot:
        await pilot.press("right", "l")
        assert [line.split("  ")[0] for line in lines(pilot)[:2]] == [" column_2", " value 2"]
        await pilot.press("left")
        assert lines(pilot)[0].startswith(" column_1")
        for _ in range(9):
            table(pilot).action_column(1)
        await pilot.pause()
        assert lines(pilot)[0].endswith("column_8")


async def test_what_the_data_holds_is_shown_and_never_obeyed() -> None:
    given = [
        "[b]bold[/b]",
        "\x1b[31mred",
        "a\r\nb\tc",
        "漢字",
        "👨‍👩‍👧",
        "e\u0301",
        "\u202eback",
        "x" * 500,
    ]
    source = Fixed(["漢字\x07[i]", "after"], [(each, "|") for each in given])
    async with stage(lambda: TableView(source), (60, 12)) as pilot:
        shown = lines(pilot)
        assert [line.split()[0] for line in shown[1:8]] == [
            "[b]bold[/b]",
            "␛[31mred",
            "a⏎b",
            "漢字",
            "👨👩👧",
            "e\u0301",
            "�back",
        ]
        assert "x…" in shown[8]
        assert {cell_len(line[: line.index("|")]) for line in shown[1:9]} == {43}
        assert shown[0].startswith(" 漢字␇[i] ")
        assert cell_len(shown[0][: shown[0].index("after")]) == 43


async def test_any_size() -> None:
    async with stage(lambda: TableView(Source(), show_types=True)) as pilot:
        for size in [(1, 1), (5, 3), (200, 50)]:
            await pilot.resize_terminal(*size)
            table(pilot).action_move_end(1)
            await done(pilot)
            assert all(cell_len(line) <= size[0] for line in lines(pilot))
        assert "999999  row 999999" in lines(pilot)[-1]


async def test_the_cursor_stays_in_view_when_the_terminal_shrinks() -> None:
    async with stage(lambda: TableView(Source()), (40, 20)) as pilot:
        table(pilot).cursor_row = 15
        await pilot.resize_terminal(40, 8)
        await done(pilot)
        assert "row 15" in lines(pilot)[-1]


@pytest.mark.parametrize("theme", THEMES)
async def test_every_cell_is_read_on_both_themes(theme: str) -> None:
    source = Fixed(["n", "held"], [(n, None if n % 2 else "x") for n in range(6)])
    make = lambda: TableView(source, show_types=True)  # noqa: E731
    async with stage(make, (30, 10), theme=theme) as pilot:
        for cursor in (0, 1):
            table(pilot).cursor_row = cursor
            await pilot.pause()
            drawn = styles(pilot)
            for y, line in enumerate(lines(pilot)):
                for x, character in enumerate(line):
                    if character != " ":
                        assert contrast(drawn[y][x]) >= 4.5, (cursor, x, y, character)
