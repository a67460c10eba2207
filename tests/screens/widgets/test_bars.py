"""Probabilities as bars and as numbers."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from screens.widgets.bars import ScoreBars, bar
from tests.screens.widgets.stage import lines, stage

NAN = float("nan")


@pytest.mark.parametrize(
    ("share", "drawn"),
    [
        (0, "    "),
        (1, "████"),
        (0.5, "██  "),
        (1 / 32, "▏   "),
        (0.9, "███▋"),
        (-3, "    "),
        (7, "████"),
        (NAN, "    "),
        (float("inf"), "    "),
    ],
)
def test_a_bar_is_as_long_as_its_share(share: float, drawn: str) -> None:
    assert bar(share, 4) == drawn


async def test_the_likeliest_come_first_and_the_rest_is_counted() -> None:
    scores = {"low": 0.1, "high": 0.5, "none": NAN, "middle": 0.25}
    async with stage(lambda: ScoreBars(scores), (30, 3)) as pilot:
        assert lines(pilot) == [
            "high   ███████▌         50.0 %",
            "middle ███▊             25.0 %",
            "and 2 more",
        ]
        pilot.app.query_one(ScoreBars).show({"other": 1.0})
        await pilot.pause()
        assert lines(pilot) == ["other ████████████████ 100.0 %"]
        pilot.app.query_one(ScoreBars).show({})
        await pilot.pause()
        assert lines(pilot) == [""]


async def test_all_are_shown_where_they_fit() -> None:
    async with stage(lambda: ScoreBars({"a": 0.75, "b": NAN, "c": 0.25}), (20, 3)) as pilot:
        assert [line.split()[0] for line in lines(pilot)] == ["a", "c", "b"]
        assert lines(pilot)[2].endswith("–")


async def test_one_line_holds_the_likeliest() -> None:
    async with stage(lambda: ScoreBars({"a": 0.2, "b": 0.8}), (20, 1)) as pilot:
        assert lines(pilot)[0].startswith("b ")


async def test_what_labels_hold_is_shown_and_never_obeyed() -> None:
    scores = {"漢字漢字漢": 0.4, "[b]x[/b]": 0.3, "\x1b[31mred": 0.2, "e\u0301": 0.1}
    async with stage(lambda: ScoreBars(scores), (40, 6)) as pilot:
        assert [line.split()[0] for line in lines(pilot)] == [
            "漢字漢字漢",
            "[b]x[/b]",
            "␛[31mred",
            "e\u0301",
        ]
        assert {cell_len(line) for line in lines(pilot)} == {40}


async def test_a_narrow_line_is_cut_and_not_folded() -> None:
    async with stage(lambda: ScoreBars({"a": 0.5, "b": 0.3, "c": 0.2}), (5, 3)) as pilot:
        assert [line[0] for line in lines(pilot)] == ["a", "b", "c"]


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (10, 2), (17, 4)])
async def test_any_size(size: tuple[int, int]) -> None:
    async with stage(lambda: ScoreBars({"label" * 9: 0.5, "b": 0.3, "c": 0.2}), size) as pilot:
        shown = lines(pilot)
        assert len(shown) <= size[1]
        assert all(cell_len(line) <= size[0] for line in shown)
