"""The commands: `lepton NOUN …`. Each parses its words, asks `core`, and prints what came back."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer

from lepton_tui.cli.groups import Nouns, as_usage_error

SUMMARY = "From raw data to a model in use, in a terminal. Alone, lepton opens the app."

app = typer.Typer(cls=Nouns, help=SUMMARY, rich_markup_mode=None)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"lepton {version('lepton-tui')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    home: str = typer.Option(  # read by `main`, wherever it stands on the line
        None, "--home", metavar="FOLDER", help="The workspace; LEPTON_HOME, or else ~/.lepton."
    ),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Show the version."
    ),
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


def run(arguments: list[str]) -> int:
    """Run one command line; the exit code.

    Raises:
        LeptonError: the call was wrong, or its work failed.
    """
    command: Any = typer.main.get_command(app)
    if os.environ.get("_LEPTON_COMPLETE"):
        command.main(arguments, prog_name="lepton")
    try:
        with command.make_context("lepton", list(arguments)) as context:
            command.invoke(context)
    except typer.Exit as left:
        return left.exit_code
    except typer.Abort as gone:
        raise KeyboardInterrupt from gone
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            print(error.format_message(), file=sys.stderr)  # type: ignore[attr-defined]
            return 2
        if hasattr(error, "format_message"):
            raise as_usage_error(error) from error
        raise
    return 0
