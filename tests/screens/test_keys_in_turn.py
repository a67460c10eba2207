"""Keys that come at once, as they do over a slow link."""

from __future__ import annotations

from collections.abc import Iterable

from textual.events import Key, Paste
from textual.pilot import Pilot
from textual.widgets import Input

from core.data.lake.lake import Lake
from lepton_tui.app import LeptonApp
from screens.widgets.ask import Ask
from tests.screens.trips import ROWS, enter, table
from tests.screens.walk import until


def come_at_once(pilot: Pilot[None], keys: Iterable[str]) -> None:
    names = {"/": "slash", ":": "colon", "%": "percent_sign", ">": "greater_than_sign"}
    for key in keys:
        pilot.app.post_message(Key(names.get(key, key), key if len(key) == 1 else None))


async def test_what_is_typed_behind_a_key_that_opens_a_field_goes_into_it(lake: Lake) -> None:
    async with LeptonApp(lake.workspace).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        # Taken for commands they ask to remove the data set, and leave the screen.
        come_at_once(pilot, "/x3y")
        field = pilot.app.screen.query_one("#filter", Input)
        await until(pilot, lambda: field.value == "x3y")
        assert field.has_focus


async def test_a_window_gets_what_was_typed_for_it_and_no_more(lake: Lake) -> None:
    async with LeptonApp(lake.workspace).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        rows = table(pilot)
        come_at_once(pilot, [":", "5", "0", "%", "enter"])
        await until(pilot, lambda: rows.cursor_row == round(0.5 * (ROWS - 1)))
        assert len(pilot.app.screen_stack) == 1


async def test_what_is_pasted_waits_for_the_key_before_it(lake: Lake) -> None:
    async with LeptonApp(lake.workspace).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        come_at_once(pilot, ":")
        pilot.app.post_message(Paste("42"))
        await until(pilot, lambda: isinstance(pilot.app.screen, Ask))
        await until(pilot, lambda: pilot.app.screen.query_one(Input).value == "42")


async def test_a_long_text_arrives_whole_and_in_order(lake: Lake) -> None:
    async with LeptonApp(lake.workspace).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        text = "abcdefghij" * 30
        come_at_once(pilot, "/" + text)
        field = pilot.app.screen.query_one("#filter", Input)
        await until(pilot, lambda: len(field.value) == len(text))
        assert field.value == text


async def test_keys_go_on_though_the_window_they_closed_is_gone(lake: Lake) -> None:
    async with LeptonApp(lake.workspace).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        rows = table(pilot)
        for _ in range(5):
            come_at_once(pilot, [":", "escape"])
        come_at_once(pilot, ["end"])
        await until(pilot, lambda: rows.cursor_row == ROWS - 1)
        assert len(pilot.app.screen_stack) == 1
