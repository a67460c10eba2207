"""Lists of lines: pointed at, opened, and kept in place while they change."""

from __future__ import annotations

from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import OptionList

from screens.listing import Line, LineList, called, headline, headline_text
from tests.screens.widgets.stage import heard, lines, stage


def a_list() -> LineList:
    return LineList("Runs", id="runs")


def shown(pilot: Pilot[None]) -> LineList:
    return pilot.app.query_one(LineList)


THREE = [Line(name, name, ("0.5", "today")) for name in "abc"]


async def test_the_facts_stand_at_the_right_and_the_name_gives_way() -> None:
    names = ["short", "a very long name of a run", "漢字漢字漢字漢字漢字漢字", "[b]x[/b]\x1b[31m"]
    async with stage(a_list, (30, 8)) as pilot:
        shown(pilot).show([Line(name, name, ("0.953",)) for name in names])
        await pilot.pause()
        assert lines(pilot)[1] == "│short                  0.953│"
        assert lines(pilot)[2].startswith("│a very long name of a")
        assert "… 0.953│" in lines(pilot)[2].replace("  ", " ")
        assert "[b]x[/b]␛[31m" in lines(pilot)[4]
        assert {cell_len(line) for line in lines(pilot)} == {30}


async def test_a_click_points_and_one_more_or_enter_opens() -> None:
    async with stage(a_list, (30, 8)) as pilot:
        shown(pilot).show(THREE)
        await pilot.pause()
        await pilot.click(LineList, offset=(3, 2))
        await pilot.pause()
        assert shown(pilot).chosen == "b"
        assert not heard(pilot, OptionList.OptionSelected)
        await pilot.click(LineList, offset=(3, 2))
        await pilot.press("down", "enter")
        await pilot.pause()
        opened = [message.option_id for message in heard(pilot, OptionList.OptionSelected)]
        assert opened == ["b", "c"]


async def test_the_cursor_stays_on_its_line() -> None:
    async with stage(a_list, (30, 8)) as pilot:
        shown(pilot).show(THREE)
        assert shown(pilot).chosen == "a"
        await pilot.press("down")
        shown(pilot).show([Line("new", "new"), *THREE])
        await pilot.pause()
        assert shown(pilot).chosen == "b"
        shown(pilot).show(THREE, chosen="c")
        await pilot.pause()
        assert shown(pilot).chosen == "c"
        shown(pilot).show(THREE[:1])
        await pilot.pause()
        assert shown(pilot).chosen == "a"
        shown(pilot).show([])
        await pilot.pause()
        assert shown(pilot).chosen is None
        await pilot.press("down", "enter")


async def test_a_line_whose_words_change_is_not_chosen_anew() -> None:
    async with stage(a_list, (30, 8)) as pilot:
        shown(pilot).show(THREE)
        await pilot.pause()
        before = len(heard(pilot, OptionList.OptionHighlighted))
        shown(pilot).show([Line("a", "changed"), *THREE[1:]])
        await pilot.pause()
        assert "changed" in lines(pilot)[1]
        assert len(heard(pilot, OptionList.OptionHighlighted)) == before


def test_the_metric_that_says_most() -> None:
    metrics = {"train/loss": 0.1, "val/accuracy": 0.9, "test/accuracy": 0.8, "val/f1_macro": 0.7}
    assert headline(metrics, "accuracy") == ("accuracy", 0.8)
    assert headline(metrics, "f1_macro") == ("f1_macro", 0.7)
    assert headline(metrics, "val/accuracy") == ("val/accuracy", 0.9)
    assert headline_text(metrics, "f1_macro") == "f1 macro 0.7"
    assert headline_text({"val/word_error_rate": 0.25}, "word_error_rate") == "WER 0.25"
    assert headline_text({"train/loss": 0.12345}, None) == "train/loss 0.123"
    assert headline_text({}, "accuracy") == ""
    assert called("val/map") == "val/mAP"
