"""What the shell shows of a report."""

from __future__ import annotations

import pytest

from lepton_tui.cli.report import put_matrix

LABELS = ["Adelie", "Chinstrap-penguin", "Gentoo"]
COUNTS = [[30, 0, 0], [0, 14, 1], [0, 0, 12345]]


def put(capsys: pytest.CaptureFixture[str], labels: list[str], counts: list[list[int]]) -> str:
    put_matrix(labels, counts)
    said = capsys.readouterr()
    return said.out + said.err


@pytest.mark.parametrize(("columns", "named"), [(80, "Chinstrap-penguin"), (42, "Chinstrap-…")])
def test_the_names_of_a_matrix_are_as_long_as_there_is_room_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int, named: str
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    told = put(capsys, LABELS, COUNTS).splitlines()[1:]
    assert max(map(len, told)) <= columns
    assert told[0].split()[4:] == ["Adelie", named, "Gentoo"]
    assert told[3].split() == ["Gentoo", "0", "0", "12345"]


def test_short_names_have_a_matrix_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert put(capsys, ["0", "1"], [[7, 0], [2, 8]]).split()[4:6] == ["0", "1"]


def test_a_matrix_without_room_is_told_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert "it is in the report" in put(capsys, LABELS * 2, [[1] * 6] * 6)
