"""A stage for one widget: an app with nothing else, what it drew, and the messages it sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.style import Style
from textual.app import App, ComposeResult
from textual.color import Color
from textual.message import Message
from textual.pilot import Pilot
from textual.widget import Widget

from screens.themes import DARK, LIGHT
from tests.screens.golden import screen_text

THEMES = (DARK.name, LIGHT.name)


class Stage(App[None]):
    def __init__(self, make: Callable[[], Widget], theme: str) -> None:
        super().__init__()
        self._make = make
        self.heard: list[Message] = []
        for each in (DARK, LIGHT):
            self.register_theme(each)
        self.theme = theme

    def compose(self) -> ComposeResult:
        yield self._make()


@asynccontextmanager
async def stage(
    make: Callable[[], Widget], size: tuple[int, int] = (80, 24), *, theme: str = DARK.name
) -> AsyncIterator[Pilot[None]]:
    """An app of one widget, which has the focus if it takes it."""
    app = Stage(make, theme)

    def hear(message: Message) -> None:
        if not any(message is each for each in app.heard):
            app.heard.append(message)

    async with app.run_test(size=size, message_hook=hear) as pilot:
        await done(pilot)
        yield pilot


async def done(pilot: Pilot[None]) -> None:
    """Let threads and messages come to their end, however often one leads to the other."""
    await pilot.pause()
    while any(not worker.is_finished for worker in pilot.app.workers):
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()


def heard(pilot: Pilot[None], kind: type[Message]) -> list[Message]:
    """The messages of one kind, and of no kind made from it."""
    assert isinstance(pilot.app, Stage)
    return [message for message in pilot.app.heard if type(message) is kind]


def lines(pilot: Pilot[None]) -> list[str]:
    """The screen, a line each."""
    return screen_text(pilot.app).removesuffix("\n").split("\n")


def found(pilot: Pilot[None], words: str) -> tuple[int, int]:
    """The place (x, y) of some words on the screen, before which all is of single width."""
    for y, line in enumerate(lines(pilot)):
        if words in line:
            return line.index(words), y
    raise AssertionError(f"no {words!r} on the screen:\n" + "\n".join(lines(pilot)))


def style_at(pilot: Pilot[None], x: int, y: int) -> Style:
    """The style of a cell of the screen."""
    return styles(pilot)[y][x]


def styles(pilot: Pilot[None]) -> list[list[Style]]:
    """The style of every cell of the screen, by row and column."""
    return [
        [segment.style or Style() for segment in strip for _ in range(segment.cell_length)]
        for strip in pilot.app.screen._compositor.render_strips()
    ]


def contrast(style: Style) -> float:
    """The ratio of the light of the ink and the ground, as the accessibility guidelines count."""
    assert style.color
    assert style.bgcolor
    inks = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
    if style.reverse:
        inks = inks[1], inks[0]
    low, high = sorted(map(_light, inks))
    return (high + 0.05) / (low + 0.05)


def _light(color: Color) -> float:
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in color.normalized]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))
