"""A data set of trips, and the ways about the Data screen that its tests have in common."""

from __future__ import annotations

import pyarrow as pa
from textual import events
from textual.pilot import Pilot

from core.data.lake.lake import Lake
from screens.widgets.tab_line import TabLine
from screens.widgets.table_view import TableView
from tests.screens.walk import until

ROWS = 2000
CITIES = ("Bern", "Basel", "bern ", "Chur")


def trips(lake: Lake) -> Lake:
    """The lake with the trips in it: a tenth of the ages is missing, a city is written two ways."""
    rows = {
        "id": list(range(ROWS)),
        "age": [None if n % 10 == 3 else n * 7 % 90 for n in range(ROWS)],
        "city": [CITIES[n % 4] for n in range(ROWS)],
        "comment": [f"a comment of some length, the {n % 700}th, " + "x" * 60 for n in range(ROWS)],
        "kind": ["ab"[n % 2] for n in range(ROWS)],
    }
    lake.commit("trips", pa.table(rows), op="import", target="kind", task="tabular-classification")
    return lake


async def enter(pilot: Pilot[None], tab: str = "rows", seen: str = "trips@1") -> None:
    """Go to the data set, and to a tab of it."""
    await pilot.press("2")
    await until(pilot, seen)
    await pilot.press("enter")
    await turn_to(pilot, tab)


async def turn_to(pilot: Pilot[None], tab: str) -> None:
    """Turn the tabs until this one is in front."""
    tabs = pilot.app.screen.query_one(TabLine)
    first = tabs.active
    while tabs.active != tab:
        await pilot.press("right_square_bracket")
        if tabs.active == first:
            raise AssertionError(f"there is no tab {tab!r}")


def table(pilot: Pilot[None]) -> TableView:
    return pilot.app.screen.query_one("#table", TableView)


def heads(pilot: Pilot[None]) -> list[str]:
    source = table(pilot).source
    return [column.name for column in source.columns] if source else []


async def type_in(pilot: Pilot[None], words: str) -> None:
    """Typed; a path is pasted, for a letter takes a tenth of a second."""
    if words.startswith("/"):
        pilot.app.post_message(events.Paste(words))
        words = ""
    await pilot.press(*words, "enter")
