"""Every command's help, and what a slip of the pen in its name or its options is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from lepton_tui.__main__ import main
from lepton_tui.cli import app


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands and groups, each with the words that name it."""
    yield path, command
    if hasattr(command, "list_commands"):
        context = command.context_class(command, info_name="lepton")
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))


ALL = dict(commands(typer.main.get_command(app)))


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_fits_into_80_columns_and_cuts_nothing(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*path, "--help"]) == 0
    said = capsys.readouterr()
    assert not said.err
    assert max(map(len, said.out.splitlines())) <= 80
    told = said.out.replace(")...", "").replace("]...", "")
    assert "..." not in told.split("Options:")[-1], "a sentence is cut"
    assert "<str>" not in said.out
    for each in ALL[path].params:
        if each.param_type_name == "option" and not each.hidden:
            assert each.help, f"{each.opts} says nothing"


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_a_wrong_word_is_told_the_nearest(
    path: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ALL[path]
    longs = [name for each in command.params for name in each.opts if name.startswith("--")]
    names = list(getattr(command, "commands", {}))
    wrong = {f"{name}s": name for name in [*longs, *names] if f"{name}s" not in [*longs, *names]}
    for word, meant in wrong.items():
        assert main([*path, word]) == 2
        said = capsys.readouterr()
        assert f'Did you mean "{meant}"?' in said.err
        assert not said.out
