"""Small tables: what is in them is whole at every width."""

from __future__ import annotations

import pytest
from rich.console import Console
from rich.text import Text

from screens.tables import beside


@pytest.mark.parametrize("width", range(8, 24))
def test_words_beside_a_mark_are_whole(width: int) -> None:
    said = 'pictures: "球" (4), a-word-that-is-longer-than-the-line (7)'
    console = Console(width=width, color_system=None)
    with console.capture() as held:
        console.print(beside(Text("!"), Text(said)))
    shown = "".join(held.get().removeprefix("!").split())
    assert shown == "".join(said.split())
