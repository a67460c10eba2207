"""The chart: what is drawn where, and what keys and mouse make of it."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import numpy as np
import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from screens.widgets import consoles, line_chart
from screens.widgets.line_chart import LineChart
from screens.widgets.plot import MARKS, Line, draw
from screens.widgets.series import Curve
from tests.screens.widgets.stage import THEMES, contrast, found, heard, lines, stage, style_at

NAN, INF = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data is drawn when it comes; one test below is about waiting."""
    monkeypatch.setattr(line_chart, "refresh_interval", lambda: 0.0)


def chart(pilot: Pilot[None]) -> LineChart:
    return pilot.app.query_one(LineChart)


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


def drawn(y: list[float], size: tuple[int, int] = (40, 10), **options: bool) -> list[str]:
    """A chart of one series called v, a line each."""
    curve = Curve()
    curve.set(range(len(y)), y)
    grid = draw([Line("v", 0, curve.x, curve.y, value=y[-1])], *size, title="t", **options)
    assert grid is not None
    return ["".join(row) for row in grid.characters]


def mark(shown: list[str]) -> tuple[int, int]:
    """The place of the mark at the end of the curve, below the legend."""
    return next((row.index("●"), y) for y, row in enumerate(shown) if y and "●" in row)


def dots(shown: list[str]) -> list[tuple[int, int]]:
    """The cells with braille dots."""
    return [
        (x, y)
        for y, row in enumerate(shown)
        for x, character in enumerate(row)
        if "\u2800" < character <= "\u28ff"
    ]


def test_a_rising_line_ends_at_the_top_right_and_a_falling_one_at_the_bottom() -> None:
    rising, falling = drawn([0, 1, 2, 3]), drawn([3, 2, 1, 0])
    assert mark(rising) == (39, 1)
    assert mark(falling) == (39, 7)
    assert min(dots(rising)) == (2, 7)
    assert min(dots(falling)) == (2, 1)


def test_the_axes_name_round_values_where_they_are() -> None:
    assert drawn([0, 1, 2, 3]) == [
        "t                                  ● v 3",
        " │                                 ⣀⡤⠴⠒●",
        " │                           ⣀⣠⠤⠖⠚⠉⠁    ",
        "2┤                     ⢀⣀⡤⠴⠒⠋⠁          ",
        " │                ⣀⣠⠤⠖⠋⠉                ",
        " │          ⢀⣠⠤⠖⠚⠉⠁                     ",
        " │    ⢀⣀⡤⠴⠒⠋⠉                           ",
        "0┤⣠⠤⠖⠚⠉                                 ",
        " └┬────────────────────────┬────────────",
        "  0                        2            ",
    ]


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e300, 5e-324])
def test_a_constant_is_a_line_in_the_middle(value: float) -> None:
    shown = drawn([value] * 3, (40, 11))
    assert mark(shown) == (39, 5)
    assert {y for _, y in dots(shown)} == {5}


def test_a_single_point_is_seen_by_its_mark() -> None:
    assert mark(drawn([3.0], (41, 11))) == (22, 5)


def test_a_value_that_is_no_number_is_a_gap_and_the_mark_is_at_the_last_that_is() -> None:
    shown = drawn([1, 1, 1, 1, 1, NAN, INF, 1, 1, 2, NAN], (44, 10))
    columns = {x for x, _ in dots(shown)}
    assert not columns & set(range(20, 28))
    assert columns & set(range(30, 36))
    assert mark(shown)[0] < 42


def test_a_log_axis_names_the_values_and_not_their_exponents() -> None:
    ticks = [row.split("┤")[0] for row in drawn([0, 1, 2], log=True) if "┤" in row]
    assert ticks == ["100", "  1"]


@pytest.mark.parametrize("y", [[1e300, -1e300], [0, 5e-324], [1e15, 1e15 + 1], [1, 1 + 1e-10]])
@pytest.mark.parametrize("size", [(8, 3), (9, 7), (13, 8), (80, 24), (300, 90)])
def test_any_values_in_any_room_fill_the_grid_and_no_more(
    y: list[float], size: tuple[int, int]
) -> None:
    shown = drawn(y, size)
    assert len(shown) == size[1]
    assert {cell_len(row) for row in shown} == {size[0]}
    assert mark(shown)


@pytest.mark.parametrize("width", [9, 13, 20, 30, 60])
def test_wide_and_hostile_names_leave_every_row_as_wide_as_it_is(width: int) -> None:
    x = np.arange(3.0)
    named = [
        Line("损失/漢字e\u0301👍", 0, x, x, value=2.0),
        Line("b\x1b[31m", 1, x, -x, value=-2.0),
    ]
    grid = draw(named, width, 9, title="漢字 [b]loss[/b]\n")
    assert grid is not None
    rows = ["".join(row) for row in grid.characters]
    assert {cell_len(row) for row in rows} == {width}
    assert "\x1b" not in "".join(rows)
    assert rows[0].startswith("漢字 [")


async def test_any_size() -> None:
    async with stage(lambda: LineChart("loss")) as pilot:
        chart(pilot).set_series("train/loss", [1, 2, 3], [3, 2, 1])
        for size in [(1, 1), (7, 24), (8, 3), (200, 60)]:
            await pilot.resize_terminal(*size)
            await pilot.pause()
            assert all(cell_len(line) <= size[0] for line in lines(pilot))
        assert "●" in lines(pilot)[0]


async def test_an_empty_chart_says_why() -> None:
    async with stage(lambda: LineChart("loss", empty="nothing yet"), (60, 11)) as pilot:
        assert lines(pilot)[5].strip() == "nothing yet"
        chart(pilot).set_series("loss", [1, 2], [NAN, INF])
        await pilot.pause()
        assert lines(pilot)[5].strip() == "no finite value yet"
        chart(pilot).set_series("loss", [1, 2], [0, -1])
        await press(pilot, "l")
        assert lines(pilot)[5].strip() == "nothing above zero to show on a log axis (l: linear)"
        await press(pilot, "l")
        assert "□ -1" in lines(pilot)[0]


async def test_log_and_linear_axes_by_key() -> None:
    async with stage(lambda: LineChart("loss"), (60, 11)) as pilot:
        chart(pilot).set_series("loss", range(5), [1, 10, 100, 1000, 10000])
        await press(pilot, "l")
        assert lines(pilot)[0].startswith(" loss · log")
        heights = [y for line, y in zip(lines(pilot), range(11), strict=True) if "┤" in line]
        assert lines(pilot)[1].strip().startswith("10k┤")
        assert len(heights) > 2
        await press(pilot, "l")
        assert "log" not in lines(pilot)[0]


async def test_each_series_has_its_own_mark_and_keeps_that_of_its_split() -> None:
    async with stage(lambda: LineChart("loss"), (60, 11)) as pilot:
        chart(pilot).set_series("val/loss", [0, 1], [2, 2])
        chart(pilot).set_series("train/loss", [0, 1], [1, 1])
        await pilot.pause()
        assert "○ val/loss 2  ● train/loss 1" in lines(pilot)[0]
        first, second = found(pilot, "○"), found(pilot, "●")
        assert style_at(pilot, *first).color != style_at(pilot, *second).color
        for name in "abcd":
            chart(pilot).set_series(name, [0, 1], [3, 3])
        await pilot.pause()
        assert sorted(c for c in lines(pilot)[1] if c in MARKS) == sorted(MARKS)


async def test_a_legend_takes_as_many_rows_as_leave_the_curves_room() -> None:
    async with stage(lambda: LineChart("loss"), (42, 20)) as pilot:
        for run in ("aaaa", "bbbb", "cccc"):
            for split in ("train", "val"):
                chart(pilot).set_series(f"{run}/{split}/loss", [0, 1], [0.25, 0.125])
        await pilot.pause()
        assert [line.split("  ") for line in lines(pilot)[1:4]] == [
            [" ● aaaa/train 0.125", "○ aaaa/val 0.125"],
            [" ▲ bbbb/train 0.125", "△ bbbb/val 0.125"],
            [" ■ cccc/train 0.125", "□ cccc/val 0.125"],
        ]
        await pilot.resize_terminal(42, 12)
        await pilot.pause()
        assert lines(pilot)[1].startswith(" ● aaaa/train 0.125  ○ aaaa/val 0.125")
        assert lines(pilot)[1].endswith("…")
        assert "bbbb" not in lines(pilot)[2]


@pytest.mark.parametrize("theme", THEMES)
async def test_curves_and_words_are_read_on_both_themes(theme: str) -> None:
    async with stage(lambda: LineChart("loss"), (79, 24), theme=theme) as pilot:
        for at in range(len(MARKS)):
            chart(pilot).set_series(str(at), [0, 1], [at, at])
        await pilot.pause()
        shown = lines(pilot)
        for character in MARKS:
            y = next(y for y, line in enumerate(shown) if y and character in line)
            assert contrast(style_at(pilot, shown[y].index(character), y)) >= 3, character
        assert contrast(style_at(pilot, *found(pilot, "loss"))) >= 4.5
        assert contrast(style_at(pilot, shown[-1].index("1"), 23)) >= 4.5


async def test_the_arrow_keys_read_the_curves() -> None:
    async with stage(lambda: LineChart("loss", x_label="epoch"), (60, 11)) as pilot:
        chart(pilot).set_series("train/loss", [1, 2, 3, 4], [4, 3, 2, 1])
        chart(pilot).set_series("val/loss", [2, 4], [30, 10])
        steps = [
            ("left", 4.0, {"train/loss": 1, "val/loss": 10}),
            ("left", 3.0, {"train/loss": 2, "val/loss": 30}),
            ("home", 1.0, {"train/loss": 4, "val/loss": 30}),
            ("left", 1.0, {"train/loss": 4, "val/loss": 30}),
            ("right", 2.0, {"train/loss": 3, "val/loss": 30}),
            ("end", 4.0, {"train/loss": 1, "val/loss": 10}),
        ]
        for key, x, readings in steps:
            await press(pilot, key)
            assert (chart(pilot).crosshair, chart(pilot).readings) == (x, readings), key
        assert "loss · epoch 4" in lines(pilot)[0]
        await press(pilot, "escape")
        assert chart(pilot).crosshair is None
        moves = [message.x for message in heard(pilot, LineChart.CrosshairMoved)]
        assert moves == [4, 3, 1, 2, 4, None]


async def test_the_crosshair_is_drawn_at_its_point() -> None:
    async with stage(lambda: LineChart("loss"), (60, 11)) as pilot:
        chart(pilot).set_series("loss", range(5), [0, 0, 0, 0, 8])
        await press(pilot, "home", "right", "right")
        left, _, columns, _ = chart(pilot)._grid.plot
        column = 1 + left + columns // 2
        assert "│" in {lines(pilot)[y][column] for y in range(2, 6)}
        ground = style_at(pilot, column, 3).bgcolor
        assert style_at(pilot, column - 2, 3).bgcolor != ground
        bottom = next(y for y in range(9, 0, -1) if lines(pilot)[y][column] > "\u2800")
        assert style_at(pilot, column, bottom).bgcolor == ground


async def test_the_mouse_reads_the_nearest_point_and_takes_its_crosshair_along() -> None:
    async with stage(lambda: LineChart("loss"), (60, 11)) as pilot:
        chart(pilot).set_series("loss", range(5), [4, 3, 2, 1, 0])
        chart(pilot).blur()
        await pilot.pause()
        await pilot.hover(LineChart, offset=(31, 5))
        assert chart(pilot).crosshair == 2
        await pilot.hover(LineChart, offset=(58, 5))
        assert chart(pilot).crosshair == 4
        chart(pilot).on_leave()
        assert chart(pilot).crosshair is None


async def test_smoothing_keeps_the_raw_curve_behind_and_its_own_value_in_the_legend() -> None:
    async with stage(lambda: LineChart("loss"), (60, 11)) as pilot:
        chart(pilot).set_series("loss", range(40), [0.0, 1.0] * 20)
        await press(pilot, "m")
        assert "loss · smoothed" in lines(pilot)[0]
        assert chart(pilot).readings["loss"] == pytest.approx(0.5, abs=0.05)
        colours = {style_at(pilot, 30, y).color for y in range(1, 9) if lines(pilot)[y][30] != " "}
        assert len(colours) == 2
        chart(pilot).append("loss", 40, NAN)
        await press(pilot, "m")
        assert chart(pilot).readings["loss"] != chart(pilot).readings["loss"]
        assert "smoothed" not in lines(pilot)[0]


async def test_steps_that_a_resumed_run_repeats_replace_the_old_ones() -> None:
    async with stage(LineChart) as pilot:
        chart(pilot).append("loss", range(10), range(10))
        chart(pilot).append("loss", 5, -1)
        assert chart(pilot).readings == {"loss": -1}
        chart(pilot).clear()
        assert chart(pilot).readings == {}


async def test_data_is_drawn_at_most_once_in_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [monotonic() + 1000]
    waits: list[tuple[float, Callable[[], None]]] = []
    draws: list[float] = []
    async with stage(LineChart) as pilot:
        shown = chart(pilot)
        draw_once = shown._draw
        monkeypatch.setattr(line_chart, "refresh_interval", lambda: 0.125)
        monkeypatch.setattr(line_chart, "monotonic", lambda: now[0])
        monkeypatch.setattr(shown, "set_timer", lambda wait, then: waits.append((wait, then)))
        monkeypatch.setattr(shown, "_draw", lambda: (draws.append(now[0]), draw_once()))
        for step in range(50):
            shown.append("loss", step, step)
            await pilot.pause() if step in {0, 1, 49} else None
        (first,) = draws
        ((wait, then),) = waits
        assert wait == pytest.approx(0.125)
        now[0] += wait
        then()
        await pilot.pause()
        assert draws == [first, now[0]]
        assert "49" in lines(pilot)[0]


def test_a_point_that_stands_for_many_is_drawn_from_its_lowest_to_its_highest() -> None:
    x = np.arange(4.0)
    band = (np.full(4, -1.0), np.full(4, 1.0))
    grid = draw([Line("v", 0, x, x * 0, band=band, value=0.0)], 40, 10, title="t")
    assert grid is not None
    rows = ["".join(row) for row in grid.characters]
    assert {y for _, y in dots(rows)} == set(range(1, 8))


def test_a_part_of_x_is_drawn_at_its_own_height_and_runs_to_the_edges() -> None:
    curve = Curve()
    curve.set(range(101), [100.0] * 40 + [n / 10 for n in range(20)] + [100.0] * 41)
    line = Line("v", 0, curve.x, curve.y, value=100.0)
    grid = draw([line], 60, 12, title="t", span=(42, 58))
    assert grid is not None
    rows = ["".join(row) for row in grid.characters]
    assert [row.split("┤")[0].strip() for row in rows if "┤" in row] == ["1.5", "1.0", "0.5"]
    assert min(dots(rows))[0] == grid.plot[0]
    assert draw([line], 60, 12, title="t", span=(200, 300)) is not None


async def test_keys_zoom_around_the_crosshair_and_pan() -> None:
    async with stage(lambda: LineChart("loss"), (60, 11)) as pilot:
        shown = chart(pilot)
        shown.set_series("loss", range(101), range(101))
        await press(pilot, "plus")
        assert shown.window == (25, 75)
        assert "loss · zoomed" in lines(pilot)[0]
        await press(pilot, "comma", "comma", "comma", "comma")
        assert shown.window == (0, 50)
        await press(pilot, "plus", "full_stop")
        assert shown.window == (18.75, 43.75)
        await press(pilot, "0", "end", "plus")
        assert shown.window == (50, None)
        shown.append("loss", 200, 200)
        await pilot.pause()
        assert shown._grid.span == (50, 200)
        await press(pilot, "minus", "minus")
        assert shown.window is None
        for _ in range(10):
            await press(pilot, "plus")
        low, high = shown._grid.span
        assert high - low >= 4
        windows = [message.window for message in heard(pilot, LineChart.Zoomed)]
        assert windows[:2] == [(25, 75), (12.5, 62.5)]


async def test_the_crosshair_takes_what_is_zoomed_to_along() -> None:
    async with stage(lambda: LineChart("loss"), (60, 11)) as pilot:
        shown = chart(pilot)
        shown.set_series("loss", range(101), range(101))
        await press(pilot, "plus", "left")
        assert (shown.crosshair, shown.window) == (75, (25, 75))
        await press(pilot, "home", "left", "left")
        assert shown.crosshair == 23
        assert shown.window == (23, 73)
        await press(pilot, "end")
        assert shown.crosshair == 73
        await press(pilot, "shift+right")
        assert shown.crosshair > 80
        assert shown.window == (shown.crosshair - 50, shown.crosshair)


async def test_where_there_is_no_braille_the_chart_is_of_ascii(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LEPTON_ASCII", "1")
    async with stage(lambda: LineChart("loss"), (60, 11)) as pilot:
        chart(pilot).set_series("train/loss", range(40), [abs(20 - n) for n in range(40)])
        chart(pilot).set_series("val/loss", range(40), range(40))
        await pilot.pause()
        assert "o train/loss 19  * val/loss 39" in lines(pilot)[0]
        assert all(line.isascii() for line in lines(pilot))
        assert (
            sum(line.count(":") + line.count("-") + line.count("'") for line in lines(pilot)) > 20
        )
        await press(pilot, "left")
        assert any("|" in line[-4:] for line in lines(pilot)[1:8])
    monkeypatch.setenv("LEPTON_ASCII", "0")
    monkeypatch.setenv("TERM", "linux")
    assert not consoles.without_braille()
    monkeypatch.delenv("LEPTON_ASCII")
    assert consoles.without_braille()
