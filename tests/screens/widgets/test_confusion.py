"""The confusion matrix: its cell under the cursor, and as many classes as there are."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.pilot import Pilot

from screens.widgets.confusion import HEAD_LINES, ConfusionMatrix
from tests.screens.widgets.stage import (
    THEMES,
    contrast,
    found,
    heard,
    lines,
    stage,
    style_at,
    styles,
)

LABELS = ["Adelie", "Chinstrap", "[b]Gentoo[/b]"]
COUNTS = [[9, 0, 0], [1, 4, 0], [0, 0, 1234]]
MANY = 1000


def matrix(pilot: Pilot[None]) -> ConfusionMatrix:
    return pilot.app.query_one(ConfusionMatrix)


def shows(labels: list[str], counts: list[list[int]]) -> ConfusionMatrix:
    shown = ConfusionMatrix()
    shown.show(labels, counts)
    return shown


def thousand() -> ConfusionMatrix:
    """A thousand classes, each taken for the one two further on once in a hundred."""
    counts = [[0] * MANY for _ in range(MANY)]
    for at, row in enumerate(counts):
        row[at], row[(at + 2) % MANY] = 99, 1
    return shows([f"class_{at:03}" for at in range(MANY)], counts)


def chosen(pilot: Pilot[None]) -> list[tuple[str, str, int]]:
    told = heard(pilot, ConfusionMatrix.CellSelected)
    return [(message.true, message.predicted, message.count) for message in told]


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


async def test_counts_with_the_recall_of_each_row() -> None:
    async with stage(lambda: shows(LABELS, COUNTS), (60, 8)) as pilot:
        matrix(pilot).blur()
        await pilot.pause()
        assert lines(pilot) == [
            "              predicted →",
            "true ↓              Adelie   Chinstrap [b]Gentoo[…   recall",
            "Adelie                   9           ·           ·  100.0 %",
            "Chinstrap                1           4           ·   80.0 %",
            "[b]Gentoo[/b]            ·           ·        1234  100.0 %",
        ]


async def test_keys_move_and_enter_tells_the_cell() -> None:
    async with stage(lambda: shows(LABELS, COUNTS), (60, 8)) as pilot:
        assert lines(pilot)[0] == "Adelie answered right: 9"
        await press(pilot, "down", "enter")
        assert lines(pilot)[0] == "Chinstrap taken for Adelie: 1"
        await press(
            pilot, "l", "j", "k", "enter", "end", "right", "down", "enter", "home", "up", "enter"
        )
        assert chosen(pilot) == [
            ("Chinstrap", "Adelie", 1),
            ("Chinstrap", "Chinstrap", 4),
            ("[b]Gentoo[/b]", "[b]Gentoo[/b]", 1234),
            ("Adelie", "Adelie", 9),
        ]


async def test_a_click_does_what_enter_does_and_beside_the_cells_nothing() -> None:
    async with stage(lambda: shows(LABELS, COUNTS), (60, 8)) as pilot:
        x, y = found(pilot, " 4 ")
        await pilot.click(offset=(x + 1, y))
        await pilot.click(offset=(found(pilot, "recall")[0] + 2, y))
        await pilot.click(offset=(2, y))
        await pilot.click(offset=(x, 1))
        await pilot.click(offset=(x, 6))
        await pilot.pause()
        assert chosen(pilot) == [("Chinstrap", "Chinstrap", 4)]
        assert lines(pilot)[0] == "Chinstrap answered right: 4"


async def test_the_cursor_is_seen_while_the_matrix_has_the_focus() -> None:
    async with stage(lambda: shows(LABELS, COUNTS), (60, 8)) as pilot:
        await press(pilot, "down")
        x, y = found(pilot, " 1  ")
        assert style_at(pilot, x + 1, y).reverse
        assert not style_at(pilot, x + 1, y - 1).reverse
        matrix(pilot).blur()
        await pilot.pause()
        assert not style_at(pilot, x + 1, y).reverse


async def test_the_same_classes_again_keep_the_cursor_and_others_do_not() -> None:
    async with stage(lambda: shows(LABELS, COUNTS), (60, 8)) as pilot:
        await press(pilot, "down", "right")
        matrix(pilot).show(LABELS, [[1, 1, 1]] * 3)
        await pilot.pause()
        assert lines(pilot)[0] == "Chinstrap answered right: 1"
        matrix(pilot).show(["a", "b"], [[1, 0], [0, 1]])
        await pilot.pause()
        assert lines(pilot)[0] == "a answered right: 1"


@pytest.mark.parametrize("theme", THEMES)
async def test_counts_are_read_on_every_ground(theme: str) -> None:
    counts = [[100, 0, 0], [80, 0, 20], [50, 0, 50]]
    async with stage(lambda: shows(["a", "b", "c"], counts), (60, 8), theme=theme) as pilot:
        await press(pilot, "end")
        drawn, grounds = styles(pilot), set()
        for y in range(2, 5):
            for x in range(len(lines(pilot)[y])):
                style = drawn[y][x]
                grounds.add(style.bgcolor)
                assert contrast(style) >= 4.5, (x, y, style)
        assert len(grounds) > 3


async def test_names_stay_in_view_while_a_thousand_classes_scroll() -> None:
    async with stage(thousand, (80, 24)) as pilot:
        assert lines(pilot)[2].split()[:4] == ["class_000", "99", "·", "1"]
        await press(pilot, "end")
        assert lines(pilot)[0].startswith("class_999 answered right: 99")
        assert lines(pilot)[1].startswith("true ↓")
        assert lines(pilot)[1].rstrip("▁▂▃▄▅▆▇█ ").endswith("recall")
        last = next(line for line in lines(pilot)[2:] if line.startswith("class_999"))
        assert last.split()[-3:-1] == ["99", "99.0"]
        await press(pilot, "home", "pagedown", "pagedown")
        row = lines(pilot)[0].split()[0]
        assert row == "class_040"
        assert any(line.startswith(row) for line in lines(pilot)[2:])
        await press(pilot, *["right"] * 2, "enter")
        assert chosen(pilot) == [("class_040", "class_002", 0)]


async def test_the_cursor_is_never_behind_the_names() -> None:
    async with stage(thousand, (80, 24)) as pilot:
        await press(pilot, "end", "pageup", "up")
        matrix(pilot).action_move(0, -15)
        await pilot.pause()
        drawn = styles(pilot)
        spots = [(x, y) for y in range(2, 23) for x in range(10, 78) if drawn[y][x].reverse]
        assert len(spots) == matrix(pilot)._cell_width


async def test_a_click_finds_its_cell_in_what_is_scrolled() -> None:
    async with stage(thousand, (80, 24)) as pilot:
        matrix(pilot).scroll_to(600, 500, animate=False)
        await pilot.pause()
        y = next(y for y, line in enumerate(lines(pilot)) if line.startswith("class_510"))
        matrix(pilot).scroll_to(510 * 6, animate=False)
        await pilot.pause()
        await pilot.click(offset=(lines(pilot)[y].index("99"), y))
        await pilot.click(offset=(lines(pilot)[y].index("1 ", 12), y))
        await pilot.pause()
        assert chosen(pilot) == [("class_510", "class_510", 99), ("class_510", "class_512", 1)]


class Pane(VerticalScroll, can_focus=False):
    """A pane that is lower than the matrix in it, as a report is."""

    DEFAULT_CSS = "Pane ConfusionMatrix { height: 22; }"

    def compose(self) -> ComposeResult:
        yield shows([f"c{n}" for n in range(20)], [[n] * 20 for n in range(20)])


async def test_the_cursor_stays_in_view_where_only_a_part_of_the_matrix_is() -> None:
    async with stage(Pane, (100, 10)) as pilot:
        await press(pilot, "pagedown", *["up"] * 3)
        assert ["c16", "16"] in [line.split()[:2] for line in lines(pilot)]
        await press(pilot, "home")
        assert lines(pilot)[1].startswith("true ↓")
        assert lines(pilot)[HEAD_LINES].startswith("c0 ")


async def test_wide_and_hostile_names_keep_the_columns_in_line() -> None:
    names = ["漢字漢字漢字", "\x1b[31mred", "e\u0301👍🏽", "a\nb"]
    async with stage(lambda: shows(names, [[3, 0, 0, 0]] * 4), (60, 8)) as pilot:
        shown = lines(pilot)
        assert "\x1b" not in "".join(shown)
        assert shown[2].startswith("漢字漢字漢字 ")
        assert {cell_len(line[: line.index(" 3 ")]) for line in shown[2:6]} == {20}
        assert len({cell_len(line) for line in shown[1:6]}) == 1
        await press(pilot, "down")
        assert lines(pilot)[0] == "␛[31mred taken for 漢字漢字漢字: 3"


async def test_few_classes() -> None:
    async with stage(lambda: shows([], []), (40, 8)) as pilot:
        await press(pilot, "down", "end", "enter")
        assert not chosen(pilot)
        matrix(pilot).show(["one"], [[0]])
        await press(pilot, "right", "enter")
        assert lines(pilot)[2].split() == ["one", "·", "–"]
        assert chosen(pilot) == [("one", "one", 0)]


async def test_any_size() -> None:
    async with stage(lambda: shows(LABELS, COUNTS)) as pilot:
        for size in [(1, 1), (12, 4), (200, 60)]:
            await pilot.resize_terminal(*size)
            matrix(pilot).action_move(1, 1)
            await pilot.pause()
            assert all(cell_len(line) <= size[0] for line in lines(pilot))
        assert "[b]Gentoo[/b]   recall" in lines(pilot)[1]
