"""Values of every kind as the cells of a table."""

from __future__ import annotations

import datetime
import decimal

import pytest

from screens.widgets.cells import CellText, cell_text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, CellText("∅", dim=True)),
        (True, CellText("true")),
        (123456789012345678901, CellText("1234567890123456789…", right=True)),
        (0.1 + 0.2, CellText("0.3", right=True)),
        (1234567.25, CellText("1234567.25", right=True)),
        (float("nan"), CellText("nan", right=True)),
        (float("-inf"), CellText("-inf", right=True)),
        (decimal.Decimal("1.50"), CellText("1.50")),
        (datetime.datetime(2020, 1, 2, 3, 4), CellText("2020-01-02 03:04:00")),
        (b"\x89PNG....", CellText("<image 8 B>", dim=True)),
        (b"RIFF\0\0\0\0WAVE", CellText("<sound 12 B>", dim=True)),
        (b"RIFF\0\0\0\0WEBP", CellText("<image 12 B>", dim=True)),
        (b"\xff\xfb\x90", CellText("<sound 3 B>", dim=True)),
        (memoryview(b"\0\1"), CellText("<bytes 2 B>", dim=True)),
        ("[b]x[/b]\x1b[0m", CellText("[b]x[/b]␛[0m")),
        (["[b]", None, b"\xff\xd8\xff", 0.5], CellText('["[b]", null, "<ima…')),
        ({"a": datetime.date(2020, 1, 2)}, CellText('{"a": "2020-01-02"}')),
        ({(1, 2): "\x1b"}, CellText("{(1, 2): '\\x1b'}")),
        ("漢字" * 9, CellText("漢字漢字漢字漢字漢…")),
        ("", CellText("")),
    ],
)
def test_a_value(value: object, shown: CellText) -> None:
    assert cell_text(value, 20) == shown


def test_of_a_long_list_no_more_is_written_than_is_seen() -> None:
    written = 0

    class Counted:
        def __str__(self) -> str:
            nonlocal written
            written += 1
            return "1"

    assert cell_text([[Counted() for _ in range(1000)] for _ in range(100)], 20).text[-1] == "…"
    assert written < 100


def test_no_width_shows_nothing() -> None:
    assert cell_text("words", 0).text == ""
