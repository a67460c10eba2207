"""Tables and facts of the command line, in terminals of different widths and in a pipe."""

from __future__ import annotations

import pytest

from lepton_tui.cli.output import facts, table

HEADS = ("run", "model", "metrics", "note", "created")
ROWS = [
    ("chj2", "chicago_ridership_transformer@12", "accuracy 0.882", "a long word of it " * 4, "now"),
    ("duc2", "penguins_mlp@4", "accuracy 0.971", "", "3 min ago"),
]
WHOLE = ("run", "model", "metrics", "created")


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    said = capsys.readouterr()
    return said.out.splitlines(), said.err


def test_free_text_gives_way_before_names_and_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "90")
    table(HEADS, ROWS, whole=WHOLE, drops=("created",))
    told, noted = lines(capsys)
    assert max(map(len, told)) <= 90
    assert all(value in told[1] for value in ("chj2", ROWS[0][1], "accuracy 0.882", "now", "…"))
    assert not noted


def test_a_column_without_room_leaves_and_a_note_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    table(HEADS, ROWS, whole=WHOLE, drops=("created", "note"))
    told, noted = lines(capsys)
    assert told[0].split() == ["run", "model", "metrics"]
    assert told[1].split() == ["chj2", ROWS[0][1], "accuracy", "0.882"]
    assert noted.startswith("No room for note, created:")
    assert "--json" in noted


def test_columns_without_room_stand_beneath_beside_what_names_their_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    heads = ("trial", *(f"setting-{letter}" for letter in "abcdef"))
    rows = [(trial, *(f"{letter * 9}{trial}" for letter in "abcdef")) for trial in range(2)]
    table(heads, rows, whole=heads, drops=[*reversed(heads[1:])], keys=("trial",))
    told, noted = lines(capsys)
    assert max(map(len, told)) <= 40
    assert [line.split() for line in told if "setting" in line] == [
        ["trial", "setting-a", "setting-b"],
        ["trial", "setting-c", "setting-d"],
        ["trial", "setting-e", "setting-f"],
    ]
    assert [line.split() for line in told][-1] == ["1", "eeeeeeeee1", "fffffffff1"]
    assert not noted


def test_a_number_is_never_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    numbers = [123456789012, "3,210,000", "97.3 %", -1.3e-05, "–"]
    heads = [f"{at}" for at in range(len(numbers))]
    table([*heads, "text"], [(*numbers, "what may be cut")], drops=())
    told, _ = lines(capsys)
    assert [told[1].split("  ")[at] for at in (0, 1, 2)] == ["123456789012", "3,210,000", "97.3 %"]
    assert "-1.3e-05" in told[1]
    assert told[1].endswith("…")


def test_nor_is_one_in_the_midst_of_a_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    row = ("bill_length_mm", "32.1 to 59.6, mean 43.92, median 44.45")
    table(("column", "values"), [row], whole=("column",))
    assert lines(capsys)[0][1] == "bill_length_mm  32.1 to 59.6, mean…"


def test_of_a_wide_table_the_last_columns_leave(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    heads = ["_rid", *(f"column_{at}" for at in range(5000))]
    table(heads, [list(range(5001))])
    told, noted = lines(capsys)
    assert [line.split() for line in told] == [heads[:4], ["0", "1", "2", "3"]]
    assert "No room for column_3, column_4," in noted
    assert "and 4989 more" in noted


def test_a_pipe_gets_every_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    table(HEADS, ROWS, whole=HEADS, drops=("created",))
    told, noted = lines(capsys)
    assert told[0].split() == list(HEADS)
    assert not noted


def test_a_long_fact_goes_on_below_and_its_path_stays_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    path = "/home/someone/" + "folder/" * 9
    facts([("note", "some words " * 6), ("folder", path), ("none", None)])
    told, _ = lines(capsys)
    assert " ".join(line[8:] for line in told[:-1]) == ("some words " * 6).strip()
    assert max(map(len, told[:-1])) <= 40
    assert told[-1] == f"folder  {path}"
