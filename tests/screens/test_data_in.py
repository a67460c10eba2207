"""Data brought in from the Data screen: what is new alone, into a data set that is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from core.data.lake.lake import Lake
from core.ingest import ingest
from lepton_tui.app import LeptonApp
from screens.data.forms.import_form import ImportRequest
from tests.screens.trips import table
from tests.screens.walk import until


@pytest.fixture
def days(lake: Lake, tmp_path: Path) -> Path:
    """A folder of one file that was brought in as `days`."""
    folder = tmp_path / "days"
    folder.mkdir()
    (folder / "1.csv").write_text("day,sold\nmon,3\ntue,4\n")
    ingest(lake.workspace, str(folder), "days")
    return folder


async def open_form(pilot: Pilot[None], way: str) -> None:
    await pilot.press("2")
    await until(pilot, "days@1")
    await pilot.press("i")
    await until(pilot, "Bring data in")
    down = {"append": 1, "refresh": 2}[way]
    await pilot.press("shift+tab", "enter", *["down"] * down, "enter")


def sold(lake: Lake) -> list[tuple[object, ...]]:
    with lake.open("days") as view:
        return [row[1:] for row in view.page(0, 10, ["day", "sold"])]


async def test_a_refresh_brings_what_is_new_where_a_data_set_came_from(
    lake: Lake, days: Path
) -> None:
    async with LeptonApp(lake.workspace).run_test(size=(80, 24), notifications=True) as pilot:
        await open_form(pilot, "refresh")
        # The data set that is looked at is meant, and where it came from is said before.
        await until(pilot, "It came from")
        (days / "2.csv").write_text("day,sold\nwed,5\n")
        await pilot.press("ctrl+y")
        await until(pilot, "lepton data import --name days --refresh")
        await pilot.press("escape", "ctrl+s")
        await until(pilot, "1 new row, 3 rows in all")
        await until(pilot, "days@2")
        assert sold(lake) == [("mon", 3), ("tue", 4), ("wed", 5)]
        await pilot.press("i")
        await until(pilot, "Bring data in")
        await pilot.press("shift+tab", "enter", "down", "down", "enter", "ctrl+s")
        await until(pilot, "nothing new, 3 rows in all")
        await until(pilot, lambda: table(pilot).row_count == 3)
    assert lake.version("days").n == 2


async def test_rows_of_another_source_are_added_to_a_data_set(
    lake: Lake, days: Path, tmp_path: Path
) -> None:
    more = tmp_path / "more.csv"
    more.write_text("day,sold\nthu,7\nmany,many\n")
    async with LeptonApp(lake.workspace).run_test(size=(80, 24), notifications=True) as pilot:
        await open_form(pilot, "append")
        await pilot.press("tab", *str(more), "enter")
        await until(pilot, "1 new row, 3 rows in all")
        await until(pilot, "1 row not taken")
        await until(pilot, "days@2")
    assert sold(lake)[-1] == ("thu", 7)
    assert lake.version("days").op == "append"


async def test_what_cannot_be_added_is_told_and_changes_nothing(
    lake: Lake, days: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    async with LeptonApp(lake.workspace).run_test(size=(80, 24), notifications=True) as pilot:
        await open_form(pilot, "append")
        await pilot.press("ctrl+s")
        await until(pilot, "✗ Name a file")
        await pilot.press(*str(other), "ctrl+s")
        await until(pilot, "the source and")
        await until(pilot, "days@1")
        # Nobody imported the trips; that is said before anything is begun.
        await pilot.press("end", "i")
        await until(pilot, "Bring data in")
        await pilot.press("shift+tab", "enter", "down", "down", "enter")
        await until(pilot, "does not say where it came from")
    assert [version.ref for version in lake.datasets()] == ["days@1", "trips@1"]


def test_a_command_adds_as_the_form_does() -> None:
    append = ImportRequest("a.csv", "my days", types={"n": "text"}, only_new=True)
    assert append.shell_command() == (
        "lepton data import a.csv --name 'my days' --append --type n=text"
    )
    refresh = ImportRequest(None, "days", only_new=True)
    assert refresh.shell_command() == "lepton data import --name days --refresh"
