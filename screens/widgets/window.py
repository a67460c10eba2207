"""Window: what stands over a screen, in the middle of it, and answers when it closes."""

from __future__ import annotations

from typing import TypeVar

from textual.screen import ModalScreen

Answer = TypeVar("Answer")


class Window(ModalScreen[Answer]):
    """One framed box, as high as what is in it; each kind says how wide."""

    DEFAULT_CSS = """
    Window { align: center middle; }
    Window > Vertical, Window > VerticalScroll {
        max-width: 100%; height: auto; max-height: 95%;
        border: round $primary; background: $surface; padding: 0 1; scrollbar-size-vertical: 1;
    }
    """
