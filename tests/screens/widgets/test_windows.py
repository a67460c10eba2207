"""The windows over a screen: the command, the question, the keys."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.screen import ModalScreen

from core.errors import LeptonError
from core.workspace import Workspace
from lepton_tui.app import LeptonApp
from screens.base import LeptonScreen
from screens.fetching import while_open
from screens.widgets.command_modal import CommandModal
from screens.widgets.confirm import Confirm
from screens.widgets.key_help import HelpScreen, key_groups
from screens.widgets.line_chart import LineChart
from screens.widgets.table_view import TableView
from screens.widgets.text_window import TextWindow
from tests.screens.walk import until
from tests.screens.widgets.stage import found, lines


class Below(App[None]):
    """A screen with a few keys, and what its windows answered."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("1", "quit", "First", tooltip="Leave [b]at once[/b]"),
        Binding("8", "never", "Not now"),
        Binding("9", "quit", "", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.animation_level = "none"
        self.answers: list[object] = []

    def compose(self) -> ComposeResult:
        yield LineChart()
        yield TableView()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action == "never" else True


@asynccontextmanager
async def over(
    window: ModalScreen[object], size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Pilot[None]]:
    async with Below().run_test(size=size) as pilot:
        await opened(pilot, window)
        yield pilot


async def opened(pilot: Pilot[None], window: ModalScreen[object]) -> None:
    pilot.app.push_screen(window, answers(pilot).append)
    await pilot.pause()


def answers(pilot: Pilot[None]) -> list[object]:
    assert isinstance(pilot.app, Below)
    return pilot.app.answers


# The command


async def test_the_command_is_shown_as_it_is_and_copied_whole() -> None:
    command = "lepton data rows '[b]x[/b]' --where 'a\x1b[31m\nb'"
    async with over(CommandModal(command)) as pilot:
        shown = "\n".join(lines(pilot))
        assert "lepton data rows '[b]x[/b]' --where 'a␛[31m" in shown
        assert "\x1b" not in shown
        await pilot.press("c")
        await pilot.pause()
        assert pilot.app.clipboard == command
        assert isinstance(pilot.app.screen, CommandModal)


async def test_the_command_closes_by_any_key_that_a_hand_finds() -> None:
    async with Below().run_test() as pilot:
        for at, key in enumerate(["escape", "q", "enter", "y"], 1):
            await opened(pilot, CommandModal("lepton"))
            await pilot.press(key)
            assert answers(pilot) == [None] * at, key
        assert pilot.app.is_running


async def test_the_mouse_copies_and_closes_too() -> None:
    async with over(CommandModal("lepton")) as pilot:
        await pilot.click(offset=found(pilot, "c copies"))
        await pilot.pause()
        assert pilot.app.clipboard == "lepton"
        await pilot.click(offset=found(pilot, "esc closes"))
        await pilot.pause()
        assert answers(pilot) == [None]


async def test_a_command_longer_than_the_screen_scrolls() -> None:
    command = "lepton " + " ".join(f"--option-{n} value" for n in range(120))
    async with over(CommandModal(command)) as pilot:
        assert "c copies" in "\n".join(lines(pilot))
        assert "--option-119" not in "\n".join(lines(pilot))
        await pilot.press("end")
        await pilot.pause()
        assert "--option-119" in "\n".join(lines(pilot))


# The question


async def test_only_a_meant_yes_is_one() -> None:
    cases: list[tuple[str, bool]] = [
        ("y", True),
        ("n", False),
        ("escape", False),
        ("q", False),
        ("enter", False),
        ("left enter", True),
        ("left right enter", False),
    ]
    async with Below().run_test() as pilot:
        for keys, _ in cases:
            await opened(pilot, Confirm("Remove plants?", "This cannot be undone."))
            await pilot.press(*keys.split())
        assert answers(pilot) == [answer for _, answer in cases]


async def test_the_mouse_answers_too() -> None:
    async with Below().run_test() as pilot:
        for button in ("y Yes", "n No"):
            await opened(pilot, Confirm("Remove plants?"))
            await pilot.click(offset=found(pilot, button))
            await pilot.pause()
        assert answers(pilot) == [True, False]


async def test_names_in_a_question_are_not_obeyed() -> None:
    async with over(Confirm("Remove [b]x\x1b[31m[/b]?", "Gone\nfor good.")) as pilot:
        shown = "\n".join(lines(pilot))
        assert "Remove [b]x␛[31m[/b]?" in shown
        assert found(pilot, "for good.")[1] == found(pilot, "Gone")[1] + 1


async def test_a_long_question_leaves_its_answers_in_view() -> None:
    async with over(Confirm("Remove plants?", "They are gone. " * 200)) as pilot:
        await pilot.pause()
        shown = "\n".join(lines(pilot))
        assert all(part in shown for part in ("╭", "n No", "╯"))
        await pilot.press("y")
        assert answers(pilot) == [True]


# The keys


async def test_the_help_names_what_works_here_and_nothing_else() -> None:
    async with Below().run_test() as pilot:
        pilot.app.query_one(LineChart).focus()
        await pilot.pause()
        groups = dict(key_groups(pilot.app.screen))
        everywhere = dict(groups["Everywhere"])
        assert everywhere["1"] == "Leave [b]at once[/b]"
        assert everywhere["q"] == "Quit"
        assert not {"8", "9"} & {*everywhere}
        chart = dict(groups["Chart"])
        assert chart["l"] == "Log axis"
        assert "Hide the crosshair" not in chart.values()
        pilot.app.query_one(TableView).focus()
        await pilot.pause()
        groups = dict(key_groups(pilot.app.screen))
        assert "Chart" not in groups
        assert ("home g", "First row") in groups["Table"]


async def test_the_help_fits_a_narrow_terminal() -> None:
    async with over(HelpScreen(), (44, 20)) as pilot:
        inside = [line.strip("│ ") for line in lines(pilot) if "│" in line]
        at = next(i for i, line in enumerate(inside) if line.endswith("Crosshair ten to the"))
        # What does not fit goes on below its own column.
        assert inside[at + 1] == "right"
        assert lines(pilot)[at + 2].startswith("│" + " " * 15 + "right")


async def test_the_help_closes_and_leaves_the_app() -> None:
    async with Below().run_test(size=(80, 40)) as pilot:
        for at, key in enumerate(["escape", "q", "enter", "question_mark"], 1):
            await opened(pilot, HelpScreen())
            assert "Leave [b]at once[/b]" in "\n".join(lines(pilot))
            await pilot.press(key)
            assert answers(pilot) == [None] * at, key
        assert pilot.app.is_running


async def test_the_help_scrolls_by_keys_and_closes_by_mouse() -> None:
    async with over(HelpScreen(), (80, 8)) as pilot:
        before = lines(pilot)
        await pilot.press("j", "down", "j")
        await pilot.pause()
        assert pilot.app.screen.query_one(VerticalScroll).scroll_offset.y == 3
        assert lines(pilot)[1:3] != before[1:3]
        await pilot.press("k")
        await pilot.pause()
        assert pilot.app.screen.query_one(VerticalScroll).scroll_offset.y == 2
        await pilot.click(offset=found(pilot, "esc closes"))
        await pilot.pause()
        assert answers(pilot) == [None]


@pytest.mark.parametrize("size", [(1, 1), (30, 8)])
async def test_any_size(size: tuple[int, int]) -> None:
    async with Below().run_test(size=size) as pilot:
        for window in (CommandModal("lepton"), Confirm("?"), HelpScreen()):
            await opened(pilot, window)
            assert all(len(line) <= size[0] for line in lines(pilot))
            await pilot.press("escape")
        assert len(answers(pilot)) == 3


@pytest.mark.parametrize("fails", [False, True])
async def test_a_closed_window_is_not_told_what_its_work_came_to(
    tmp_path: Path, fails: bool
) -> None:
    told: list[object] = []
    gate = threading.Event()

    def work() -> str:
        assert gate.wait(60)
        if fails:
            raise LeptonError("it failed")
        return "done"

    app = LeptonApp(Workspace.open(tmp_path))
    async with app.run_test() as pilot:
        await until(pilot, "Nothing is here yet")
        screen = app.screen
        assert isinstance(screen, LeptonScreen)
        for closed in (False, True):
            window = TextWindow("work", "")
            await app.push_screen(window)
            gate.clear()
            fetch = while_open(window, screen.fetch)
            fetch(work, told.append, group="work", failed=told.append)
            if closed:
                window.dismiss()
                await until(pilot, lambda window=window: not window.is_attached)
            gate.set()
            await app.workers.wait_for_complete()
            # What the thread sent is taken before this.
            screen.fetch(lambda: None, lambda _: told.append("after"), group="after")
            await until(pilot, lambda: "after" in told)
            assert len(told) == (1 if closed else 2)
            told.clear()
