"""ActionLine, and the two lines made of it: the bar of modes and the keys' hints."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.widget import Widget

from screens.key_hints import KeyHints
from screens.mode_bar import ModeBar
from screens.widgets.action_line import ActionLine, Piece
from tests.screens.golden import screen_text

LEFT = (Piece((("one ", ""),), "app.took('one')", "The first"), Piece((("two ", ""),)))
RIGHT = (Piece((("end", ""),), "app.took('end')"),)


class Line(ActionLine):
    def left(self) -> Sequence[Piece]:
        return LEFT

    def right(self) -> Sequence[Piece]:
        return RIGHT


class Stage(App[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "took('a')", "Add", tooltip="Add one"),
        Binding("b", "took('b')", "Bake"),
        Binding("c", "took('b')", "Bake too"),
        Binding("h", "took('h')", "Hidden", show=False),
    ]

    def __init__(self, line: Widget) -> None:
        super().__init__()
        self.line = line
        self.taken: list[str] = []
        self.allowed = True

    def compose(self) -> ComposeResult:
        yield self.line

    def action_took(self, what: str) -> None:
        self.taken.append(what)

    def action_visit(self, mode: str) -> None:
        self.taken.append(mode)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.allowed or parameters != ("a",)


def shown(pilot: Pilot[None]) -> str:
    return next(line for line in screen_text(pilot.app).splitlines() if line)


async def click(pilot: Pilot[None], word: str) -> None:
    await pilot.click(pilot.app.line, offset=(shown(pilot).index(word), 0))  # type: ignore[attr-defined]


async def test_a_click_runs_the_action_of_what_is_under_it() -> None:
    app = Stage(Line())
    async with app.run_test(size=(20, 3)) as pilot:
        for word in ("one", "end", "two"):
            await click(pilot, word)
        await pilot.click(app.line, offset=(12, 0))
        assert app.taken == ["one", "end"]


async def test_what_is_pointed_at_is_lit_and_explained() -> None:
    app = Stage(Line())
    async with app.run_test(size=(20, 3)) as pilot:
        before = app.line.render_line(0)
        await pilot.hover(app.line, offset=(1, 0))
        assert app.line.tooltip == "The first"
        lit = app.line.render_line(0)
        assert [segment.text for segment in lit] == [segment.text for segment in before]
        assert next(iter(lit)).style != next(iter(before)).style
        await pilot.hover(app.line, offset=(5, 0))
        assert app.line.tooltip is None
        assert next(iter(app.line.render_line(0))).style == next(iter(before)).style


@pytest.mark.parametrize(
    ("width", "seen"), [(20, "one two          end"), (10, "one    end"), (3, "end"), (2, "en")]
)
async def test_the_right_edge_never_gives_way(width: int, seen: str) -> None:
    async with Stage(Line()).run_test(size=(width, 3)) as pilot:
        assert shown(pilot) == seen


async def test_hints_are_the_keys_that_work_now() -> None:
    app = Stage(KeyHints())
    async with app.run_test(size=(50, 3)) as pilot:
        await pilot.pause()
        line = shown(pilot)
        assert line.startswith("a Add b Bake ")
        assert line.endswith("▏^p palette")
        assert "Hidden" not in line
        assert "too" not in line
        app.allowed = False
        app.screen.refresh_bindings()
        await pilot.pause()
        assert shown(pilot).startswith("b Bake ")


@pytest.mark.parametrize(
    ("width", "seen"),
    [
        (31, "a Add b Bake ▏? Keys▏^p palette"),
        (30, f"{'a Add b Bake':<23}▏? Keys"),
        (14, "a Add  ▏? Keys"),
    ],
)
async def test_the_way_to_all_keys_never_gives_way(width: int, seen: str) -> None:
    class WithKeys(Stage):
        BINDINGS: ClassVar[list[BindingType]] = [
            Binding("question_mark", "show_keys", "Keys", key_display="?")
        ]

    async with WithKeys(KeyHints()).run_test(size=(width, 3)) as pilot:
        await pilot.pause()
        assert shown(pilot) == seen


async def test_a_hint_is_a_button() -> None:
    app = Stage(KeyHints())
    async with app.run_test(size=(50, 3)) as pilot:
        await pilot.pause()
        await click(pilot, "Bake")
        await pilot.pause()
        assert app.taken == ["b"]
        await pilot.hover(app.line, offset=(1, 0))
        assert app.line.tooltip == "Add one"


async def test_hints_that_change_leave_nothing_behind() -> None:
    app = Stage(KeyHints())
    async with app.run_test(size=(50, 3)) as pilot:

        def widgets() -> int:
            gc.collect()
            return sum(issubclass(type(each), Widget) for each in gc.get_objects())

        before = widgets()
        for allowed in [False, True] * 5:
            app.allowed = allowed
            app.screen.refresh_bindings()
            await pilot.pause()
        assert widgets() == before


async def test_the_bar_tells_the_mode_and_what_runs() -> None:
    bar = ModeBar("data")
    app = Stage(bar)
    async with app.run_test(size=(80, 3)) as pilot:
        assert shown(pilot).startswith(" Lepton  1 Home  2 Data  3 Train ")
        styles = {segment.text: segment.style for segment in bar.render_line(0)}
        assert styles[" 2 Data "] != styles[" 1 Home "] == styles[" 3 Train "]
        assert "●" not in shown(pilot)
        bar.running = 2
        await pilot.pause()
        assert shown(pilot).endswith("● 2")
        await click(pilot, "3 Train")
        assert app.taken == ["train"]
