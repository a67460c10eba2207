"""What a screen shows, compared as text with a file beside the tests.

`LEPTON_GOLDENS=write` writes the files instead (`make goldens`); read their diff before committing.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot

GOLDENS = Path(__file__).parent / "goldens"


def screen_text(app: App) -> str:
    """The characters on the screen, a line each, without the blanks at their ends.

    Textual has no public way to read its strips; this is the one place that knows the private one.
    """
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips).rstrip() + "\n"


async def golden(subject: App | Pilot, name: str, size: tuple[int, int] = (80, 24)) -> None:
    """Compare a screen of `size` with `goldens/NAME-80x24.txt`; the error shows the difference.

    An app is started and left; a pilot is of an app that runs, whose terminal is resized.
    """
    if isinstance(subject, App):
        async with subject.run_test(size=size) as pilot:
            await golden(pilot, name, size)
        return
    await settled(subject, size)
    compare(screen_text(subject.app), f"{name}-{size[0]}x{size[1]}.txt")


async def settled(pilot: Pilot, size: tuple[int, int]) -> None:
    """Give the terminal its size and let what follows from it be drawn."""
    if tuple(pilot.app.size) != size:
        await pilot.resize_terminal(*size)
    await pilot.pause()
    await pilot.pause()


def compare(shown: str, file: str) -> None:
    path = GOLDENS / file
    if os.environ.get("LEPTON_GOLDENS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown, encoding="utf-8")
        return
    assert path.is_file(), f"there is no golden {file}; LEPTON_GOLDENS=write makes it:\n{shown}"
    expected = path.read_text(encoding="utf-8")
    if shown != expected:
        lines = difflib.unified_diff(
            expected.splitlines(), shown.splitlines(), f"goldens/{file}", "shown now", lineterm=""
        )
        raise AssertionError("the screen differs from its golden\n" + "\n".join(lines))


async def svg(pilot: Pilot, path: Path, size: tuple[int, int] = (80, 24)) -> None:
    """Write a picture of the screen, for the README and for the eye."""
    await settled(pilot, size)
    path.write_text(pilot.app.export_screenshot(simplify=True), encoding="utf-8")
