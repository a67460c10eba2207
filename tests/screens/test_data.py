"""The Data screen as a person works with it, on a real lake."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pyarrow as pa
import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from core.data.lake.lake import Lake
from core.data.sql.console import History
from lepton_tui.app import LeptonApp
from screens.data import screen as data_screen
from screens.data.facts_line import FactsLine
from screens.data.rows.row_view import printable
from screens.data.sql.completion import SqlInput, Suggester, column_completions
from screens.widgets.table_view import TableView
from tests.screens.golden import golden, screen_text
from tests.screens.trips import ROWS, enter, heads, table, type_in
from tests.screens.walk import until


def app(lake: Lake) -> LeptonApp:
    return LeptonApp(lake.workspace)


def words_on(pilot: Pilot[None]) -> str:
    """The words on the screen without the room between them."""
    return " ".join(screen_text(pilot.app).split())


async def test_rows_are_filtered_by_a_typed_condition(lake: Lake) -> None:
    async with app(lake).run_test(size=(100, 24)) as pilot:
        await enter(pilot)
        await pilot.press("slash")
        await type_in(pilot, "age > 80 AND city = 'Chur'")
        wanted = sum(n % 10 != 3 and n * 7 % 90 > 80 and n % 4 == 3 for n in range(ROWS))
        await until(pilot, f"{wanted} of 2,000 rows")
        assert table(pilot).row_count == wanted
        await pilot.press("y")
        await until(pilot, "lepton data rows trips --where")
        await pilot.press("escape", "backspace")
        await until(pilot, lambda: table(pilot).row_count == ROWS)
        await golden(pilot, "data-rows", (100, 24))


async def test_a_wrong_condition_says_so_and_leaves_the_rows(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("slash")
        await type_in(pilot, "agee > 3")
        await until(pilot, "agee")
        await until(pilot, "✗")
        assert table(pilot).row_count == ROWS
        # It is mended where it stands: the keys still go to the field.
        await pilot.press(*["backspace"] * 8)
        await type_in(pilot, "age = 7")
        await until(pilot, lambda: (table(pilot).row_count or 0) < ROWS)
        assert "✗" not in screen_text(pilot.app)
        assert table(pilot).has_focus


async def test_what_others_make_takes_no_keys_from_between_two_tabs(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_screen, "LOOK_SECONDS", 0.05)
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "versions")
        # So it is between the going of one tab and the coming of the next.
        pilot.app.screen.set_focus(None)
        lake.commit("zebras", pa.table({"a": [1]}), op="import")
        await until(pilot, "zebras")
        assert pilot.app.screen.focused is None


async def test_escape_leaves_the_condition_then_the_table_and_stays_in_the_list(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("slash")
        await type_in(pilot, "agee > 3")
        await until(pilot, "✗")
        await pilot.press("escape")
        assert table(pilot).has_focus
        assert "✗" not in screen_text(pilot.app)
        for _ in range(3):
            await pilot.press("escape")
            assert pilot.app.screen.query_one("#datasets").has_focus
        await pilot.press("enter")
        assert table(pilot).has_focus


async def test_the_condition_is_completed(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("slash", *"ci", "tab", *" = 'Bern'", "enter")
        await until(pilot, "500 of 2,000 rows")


async def test_a_column_is_sorted_up_down_and_back(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("right", "o")
        await until(pilot, lambda: "age ↑" in heads(pilot) and table(pilot).row_at(0) is not None)
        assert table(pilot).row_at(0)[1] == 0  # type: ignore[index]
        await pilot.press("o")
        await until(pilot, lambda: "age ↓" in heads(pilot) and table(pilot).row_at(0) is not None)
        assert table(pilot).row_at(0)[1] == 89  # type: ignore[index]
        await pilot.press("o")
        await until(pilot, lambda: "age" in heads(pilot) and table(pilot).row_at(0) is not None)
        assert table(pilot).row_at(0)[0] == 0  # type: ignore[index]


async def test_columns_are_hidden_held_and_shown_again(lake: Lake) -> None:
    async with app(lake).run_test(size=(60, 24)) as pilot:
        await enter(pilot)
        await pilot.press("right", "minus")
        await until(pilot, lambda: heads(pilot) == ["id", "city", "comment", "kind"])
        await pilot.press("right", "right", "right", "f")
        await until(pilot, lambda: heads(pilot) == ["kind", "id", "city", "comment"])
        await until(pilot, lambda: table(pilot).row_at(0) is not None)
        # A rule tells which are held, also where nothing has moved.
        await until(pilot, lambda: "kind │ id" in words_on(pilot))
        await pilot.press("right", "right", "right")
        # What was scrolled to is there, and what was held still is too.
        shown = await until(pilot, "a comment of")
        assert "kind" in shown
        await pilot.press("plus")
        await until(pilot, lambda: heads(pilot) == ["id", "age", "city", "comment", "kind"])


async def test_columns_are_hidden_one_after_the_other(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("right", "minus")
        await until(pilot, lambda: heads(pilot) == ["id", "city", "comment", "kind"])
        await until(pilot, lambda: table(pilot).row_at(0) is not None)
        # The cursor is on the column that has come to its place, and not on the first.
        await pilot.press("minus")
        await until(pilot, lambda: heads(pilot) == ["id", "comment", "kind"])


async def test_a_text_without_quotes_is_no_column(lake: Lake) -> None:
    async with app(lake).run_test(size=(130, 24)) as pilot:
        await enter(pilot)
        await pilot.press("slash")
        await type_in(pilot, "city = Chur")
        await until(pilot, "A text stands in single quotes: 'Chur'")


async def test_the_place_in_one_data_set_is_not_said_of_another(lake: Lake) -> None:
    lake.commit("zebras", pa.table({"a": [1, 2]}), op="import")
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("end")
        shown = await until(pilot, "row 2,000 of 2,000")
        # What it is for is more than its size where there is room for one of them.
        assert "row 2,000 of 2,000 · tabular-classification\n" in trimmed(shown)
        said = []
        facts = pilot.app.screen.query_one(FactsLine)
        say = facts.say
        facts.say = lambda *words: (said.append(f"{words[0].ref} {words[2]}"), say(*words))  # type: ignore[method-assign,func-returns-value]
        await pilot.press("escape", "down")
        await until(pilot, "row 1 of 2 ·")
        assert not [words for words in said if "zebras" in words and "2,000" in words]


async def test_the_facts_of_a_version_are_whole_at_every_width(lake: Lake) -> None:
    async with app(lake).run_test(size=(120, 24)) as pilot:
        await enter(pilot)
        whole = "row 1 of 2,000 · 5 columns · tabular-classification · target kind · "
        await until(pilot, whole)
        for width, told in (
            (100, "row 1 of 2,000 · tabular-classification → kind"),
            (80, "row 1 of 2,000 · tabular-classification"),
            (60, "row 1 of 2,000"),
        ):
            await pilot.resize_terminal(width, 24)
            await until(pilot, lambda told=told: f"{told}\n" in trimmed(screen_text(pilot.app)))


def trimmed(shown: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in shown.splitlines())


async def test_a_row_is_jumped_to_and_a_cell_seen_whole(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("colon")
        await type_in(pilot, "1,501")
        assert table(pilot).cursor_row == 1500
        await pilot.press("colon")
        await type_in(pilot, "50%")
        assert table(pilot).cursor_row == 1000
        await pilot.press("right", "right", "right", "v")
        shown = await until(pilot, "row 1,001 · _rid 1000")
        assert "the 300th" in shown and "x" * 20 in shown
        await pilot.press("right")
        await until(pilot, "row 1,002 · _rid 1001")
        await until(pilot, "the 301th")
        await pilot.press("left", "left")
        await until(pilot, "the 299th")
        await pilot.press("escape", "right", "colon")
        await until(pilot, "this is 1,000")
        await type_in(pilot, "here")
        assert table(pilot).cursor_row == 999
        assert "row 1,000 of 2,000" in screen_text(pilot.app)


async def test_a_statement_is_asked_answered_and_written(lake: Lake, tmp_path: Path) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "sql")
        await until(pilot, "SELECT * FROM trips LIMIT 100")
        await pilot.press("slash", *["backspace"] * 40)
        await type_in(pilot, "SELECT city, count(*) AS n FROM trips GROUP BY ALL ORDER BY n, city")
        await until(pilot, "4 rows")
        await until(pilot, "Basel")
        await pilot.press("e")
        await type_in(pilot, str(tmp_path / "answer.csv"))
        await until(pilot, "4 rows written")
    assert (tmp_path / "answer.csv").read_text().splitlines()[:2] == ["city,n", "Basel,500"]
    assert "GROUP BY ALL" in History(lake).read()[-1]


async def test_a_statement_is_stopped_and_its_answer_replaces_no_file_unasked(
    lake: Lake, tmp_path: Path
) -> None:
    (file := tmp_path / "answer.csv").write_text("kept")
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "sql")
        await pilot.press("slash", "ctrl+u")
        many = ", ".join(f"trips t{n}" for n in range(4))
        await type_in(pilot, f"SELECT sum(hash(t1.id, t2.id, t3.id, t0.id)) FROM {many}")
        await until(pilot, "running, 30 s at most")
        await pilot.press("escape")
        await until(pilot, "stopped")
        await pilot.press("slash", "ctrl+u")
        await type_in(pilot, "SELECT id FROM trips")
        await until(pilot, "the first 1,000 rows")
        await pilot.press("e")
        await type_in(pilot, str(tmp_path / "answer.xlsx"))
        await until(pilot, "✗ the ending does not tell the format")
        await pilot.press("e")
        await type_in(pilot, str(file))
        await until(pilot, "The file is there already.")
        await pilot.press("n")
        assert file.read_text() == "kept"
        await pilot.press("e")
        await type_in(pilot, str(file))
        await pilot.press("y")
        await until(pilot, "2,000 rows written")
        assert file.read_text().startswith("id\n0\n")


def test_a_name_that_was_closed_is_not_completed_again() -> None:
    complete = column_completions(['quote"d', "age"])
    field = SqlInput(placeholder="", id="field")
    field.complete_with(complete)
    assert asyncio.run(field.suggester.get_suggestion('"quo')) == '"quote""d"'  # type: ignore[union-attr]
    assert asyncio.run(field.suggester.get_suggestion('"quote""d"')) is None  # type: ignore[union-attr]


async def test_a_column_is_told_of_whole_in_a_window(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "profile")
        await until(pilot, "kind")
        await pilot.press("down", "enter")
        shown = await until(pilot, "age of trips@1")
        assert "200 missing (10.0 %)" in shown and "q99" in shown
        await pilot.press("escape", "y")
        await until(pilot, "lepton data profile trips")


async def test_a_statement_that_writes_or_reads_files_is_refused(
    lake: Lake, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "sql")
        await until(pilot, "SELECT * FROM trips LIMIT 100")
        await pilot.press("slash", *["backspace"] * 40)
        await type_in(pilot, f"SELECT * FROM '{secret}'")
        await until(pilot, "✗")
        answer = pilot.app.screen.query_one("#answer", TableView)
        assert not answer.row_count


@pytest.mark.slow
async def test_an_import_is_looked_at_with_its_types_first(lake: Lake, tmp_path: Path) -> None:
    source = tmp_path / "zips.csv"
    source.write_text("zip,n\n" + "".join(f"{1000 + n},{n}\n" for n in range(40)))
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await pilot.press("i")
        await until(pilot, "Bring data in")
        await pilot.press(*str(source), "ctrl+l")
        await until(pilot, "2 columns, 40 rows")
        await pilot.press("tab", "tab", "tab", "tab", *"zip=text", "ctrl+l")
        await until(pilot, "varchar")
        await pilot.press("enter")
        await until(pilot, "zips@1")
    assert lake.version("zips").column("zip").type == "VARCHAR"


async def test_what_training_would_take_a_data_set_for_is_said(lake: Lake) -> None:
    novel = "Emma Woodhouse, handsome, clever, and rich, with a comfortable home."
    lake.commit("emma", pa.table({"text": [novel] * 40}), op="sql")
    lake.commit("nothing", pa.table({"at": [None] * 3}), op="import")
    assert lake.version("emma").task is None
    async with app(lake).run_test(size=(130, 24)) as pilot:
        await pilot.press("2")
        await until(pilot, "text-generation, guessed · target text")
        await pilot.press("down")
        await until(pilot, "no task suits")
        await pilot.press("down")
        await until(pilot, "tabular-classification · target kind")


async def test_boxes_are_drawn_over_their_picture(lake: Lake) -> None:
    import io

    from PIL import Image

    from screens.data.rows.boxes import boxed, boxes_of

    plain = io.BytesIO()
    Image.new("RGB", (60, 40), "black").save(plain, "PNG")
    cell = json.dumps([{"label": "cat", "bbox": [10, 5, 30, 20]}])
    boxes = boxes_of(cell)
    with Image.open(io.BytesIO(boxed(plain.getvalue(), boxes))) as drawn:
        assert drawn.getpixel((10, 15)) != (0, 0, 0)
        assert drawn.getpixel((40, 15)) != (0, 0, 0)
        assert drawn.getpixel((25, 15)) == (0, 0, 0)
    assert boxes_of('[{"label": "cat"}]') == [] == boxes_of("[{}, 1")
    assert boxed(b"no picture", boxes) == b"no picture"


async def test_the_first_column_is_seen_to_be_held(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        await until(pilot, lambda: "id age" in words_on(pilot))
        await pilot.press("f")
        await until(pilot, lambda: "id │ age" in words_on(pilot))
        await pilot.press("f")
        await until(pilot, lambda: "id age" in words_on(pilot))


async def test_no_column_is_held_where_it_could_not_be_seen(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24), notifications=True) as pilot:
        await enter(pilot)
        await until(pilot, "a comment of")
        # The widest fills what may stand still.
        await pilot.press("right", "right", "right", "f")
        await until(pilot, lambda: heads(pilot)[0] == "comment")
        await until(pilot, lambda: table(pilot).row_at(0) is not None)
        await pilot.press("right", "f")
        await until(pilot, "No room to hold more")
        assert heads(pilot) == ["comment", "id", "age", "city", "kind"]


async def test_a_condition_is_found_again(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot)
        for condition in ("age > 80", "age > 70"):
            await pilot.press("slash", "ctrl+u")
            await type_in(pilot, condition)
            await until(pilot, f"rows · {condition}")
        await pilot.press("backspace", "slash", "up", "up")
        assert pilot.app.screen.query_one("#filter", SqlInput).value == "age > 80"


async def test_a_statement_is_left_for_its_answer_and_its_keys_are_told(lake: Lake) -> None:
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "sql")
        await until(pilot, "/ Type")
        await pilot.press("slash")
        hints = (await until(pilot, "⏎ Run")).splitlines()[-1]
        assert "tab Complete" in hints
        assert "/ Type" not in hints
        await pilot.press("escape")
        assert pilot.app.screen.query_one("#answer").has_focus


async def test_an_offered_statement_goes_with_its_data_set_and_a_typed_one_stays(
    lake: Lake,
) -> None:
    lake.commit("zebras", pa.table({"a": [1]}), op="import")
    async with app(lake).run_test(size=(80, 24)) as pilot:
        await enter(pilot, "sql")
        await until(pilot, "FROM trips LIMIT 100")
        await pilot.press("escape", "down")
        await until(pilot, "FROM zebras LIMIT 100")
        await pilot.press("enter", "slash", "backspace", "escape", "escape", "up")
        await until(pilot, "trips@1")
        assert "FROM zebras LIMIT 10" in screen_text(pilot.app)


async def test_where_an_answer_cannot_be_written_is_said_and_mended(
    lake: Lake, tmp_path: Path
) -> None:
    async with app(lake).run_test(size=(120, 24)) as pilot:
        await enter(pilot, "sql")
        await pilot.press("slash", "enter")
        await until(pilot, "100 rows in")
        await pilot.press("e")
        await type_in(pilot, str(tmp_path / "no" / "a.csv"))
        assert str(tmp_path / "no") in "".join((await until(pilot, "no such folder")).split("\n"))
        await pilot.press("slash", "x", "enter")
        await until(pilot, "✗ syntax error")
        await pilot.press("escape", "e")
        # What is written is the answer that is there, not that of what failed since.
        await until(pilot, "Write the whole answer to")
        assert "trips LIMIT 100 │" in words_on(pilot)
        assert pilot.app.screen.query_one(Input).value.endswith("/no/a.csv")


async def test_a_word_that_is_whole_is_not_taken_for_the_beginning_of_another() -> None:
    def words(_text: str, _cursor: int) -> list[str]:
        return ["DESC", "DESCRIBE"]

    suggester = Suggester(words)
    assert await suggester.get_suggestion("ORDER BY a DESC") is None
    assert await suggester.get_suggestion("DESCR") == "DESCRIBE"


def test_a_control_character_is_told_apart_in_a_value_too() -> None:
    assert printable("\x1b[31m\x07\r\nb\tc\u202e") == "␛[31m␇\nb   c�"
