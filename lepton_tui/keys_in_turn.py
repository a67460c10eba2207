"""Keys one after the other: each goes where the one before it led.

Textual hands a key to whatever has the focus when it comes. Over a slow link several come at once,
and those behind a key that opens a field would be taken for commands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from textual.app import App
from textual.events import Event
from textual.message import Message
from textual.screen import Screen

PATIENCE_SECONDS = 0.5


class KeysInTurn:
    """Hands on what was typed or pasted by `hand_on`, the next when the one before it is done."""

    class Handled(Message):
        """Goes up behind a key from the widget that got it: at the app, the key has done its work.

        `screen` is the one that it was pressed on.
        """

        bubble: ClassVar[bool] = True

        def __init__(self, screen: Screen[Any]) -> None:
            super().__init__()
            self.screen = screen

    def __init__(self, app: App[Any], hand_on: Callable[[Event], Awaitable[None]]) -> None:
        self._app = app
        self._hand_on = hand_on
        self._waiting: deque[Event] = deque()
        self._behind: KeysInTurn.Handled | None = None

    async def take(self, event: Event) -> None:
        """Hand it on, or let it wait for its turn."""
        self._waiting.append(event)
        if self._behind is None:
            await self._go_on()
        elif len(self._waiting) == 1:
            self._wait_no_longer_than(self._behind)

    async def _go_on(self) -> None:
        event, app = self._waiting.popleft(), self._app
        target = (app.focused or app.screen) if app.screen_stack else None
        if target is not None:
            self._behind = self.Handled(app.screen)
        await self._hand_on(event)
        if self._behind is not None and target is not None:
            if not target.post_message(self._behind):
                self._behind = None
            elif self._waiting:
                self._wait_no_longer_than(self._behind)

    def _wait_no_longer_than(self, behind: Handled) -> None:
        # A widget may go with the key that it got, and with it the word that the key is done.
        self._app.set_timer(PATIENCE_SECONDS, self._after(behind))

    def done(self, behind: Handled) -> None:
        """A key has been handled; what it asked of the app stands in the app's queue already."""
        app = self._app
        if not app.screen_stack:
            return
        if app.screen is behind.screen:
            app.call_later(self._after(behind))
        else:
            # A new screen gives one of its fields the focus when it is made.
            app.screen.call_after_refresh(app.call_later, self._after(behind))

    def _after(self, behind: Handled) -> Callable[[], Awaitable[None]]:
        async def go_on() -> None:
            if self._behind is behind:
                self._behind = None
                if self._waiting:
                    await self._go_on()

        return go_on
