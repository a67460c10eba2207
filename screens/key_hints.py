"""The bottom line: the keys that do something here, each of them a button too. The way to all of
them never gives way.

Textual's Footer mounts a widget for each key anew whenever the keys change, and keeps a reference
to every one it ever made: over a live run that is gigabytes in two days.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import ActiveBinding, Binding
from textual.keys import REPLACED_KEYS, key_to_character
from textual.screen import Screen

from screens.widgets.action_line import ActionLine, Piece

SHOW_KEYS = "show_keys"
"""The action of the app that shows every key."""


class KeyHints(ActionLine):
    """The bindings of the screen that are meant to be shown; at the right the one that shows all,
    and where there is room the palette's."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "key-hints--key",
        "key-hints--description",
        "key-hints--edge",
    }
    DEFAULT_CSS = """
    KeyHints {
        dock: bottom;
        color: $footer-foreground;
        background: $footer-background;
        & > .key-hints--key { color: $footer-key-foreground; text-style: bold; }
        & > .key-hints--description { color: $footer-description-foreground; }
        & > .key-hints--edge { color: $foreground 20%; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._hints: list[Piece] = []
        self._keys: list[Piece] = []
        self._palette: list[Piece] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._read()

    def left(self) -> Sequence[Piece]:
        return self._hints

    def right(self) -> Sequence[Piece]:
        every = [*self._hints, *self._keys, *self._palette]
        fits = sum(piece.width for piece in every) <= self.size.width
        return [*self._keys, *self._palette] if fits or not self._keys else self._keys

    def _changed(self, screen: Screen[object]) -> None:
        # While another window of the terminal has the focus, the keys of this one stay as they are.
        if screen is self.screen and self.app.app_focus:
            self._read()

    def _read(self) -> None:
        before = (self._hints, self._keys, self._palette)
        shown: dict[str, ActiveBinding] = {}
        for active in self.screen.active_bindings.values():
            if active.binding.show and not self._typed(active.binding.key):
                shown.setdefault(active.binding.action, active)
        keys = shown.pop(SHOW_KEYS, None)
        self._hints = [self._hint(each.binding, each.tooltip) for each in shown.values()]
        self._keys = [self._hint(keys.binding, keys.tooltip, last=True)] if keys else []
        palette = self.screen.active_bindings.get(self.app.COMMAND_PALETTE_BINDING)
        self._palette = [self._hint(palette.binding, "", last=True)] if palette else []
        if (self._hints, self._keys, self._palette) != before:
            self.refresh()

    def _typed(self, key: str) -> bool:
        """Whether the widget with the focus takes a key as a letter; Textual overlooks "slash"."""
        focused = self.screen.focused
        character = key_to_character(REPLACED_KEYS.get(key, key))
        return focused is not None and focused.check_consume_key(key, character)

    def _hint(self, binding: Binding, tooltip: str, *, last: bool = False) -> Piece:
        key = self.app.get_key_display(binding)
        words = (
            (key, "key-hints--key"),
            (f" {binding.description}", "key-hints--description"),
        )
        parts = (("▏", "key-hints--edge"), *words) if last else (*words, (" ", ""))
        return Piece(parts, f"app.simulate_key({binding.key!r})", tooltip or binding.tooltip)
