"""The front door: `lepton …` and `python -m lepton_tui …`."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.errors import LeptonError

OUR_FOLDER = Path(__file__).resolve().parent.parent
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run one command line and say what went wrong in a line or two; the exit code.

    0: done. 1: the work failed. 2: the call was wrong. 130: the person interrupted it.
    """
    _keep_working_folder_out()
    debug = bool(os.environ.get("LEPTON_DEBUG"))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        rest, home, wanted = take_globals(sys.argv[1:] if arguments is None else arguments)
        debug = debug or wanted
        if home is not None:
            # The processes that a command starts must find the same workspace.
            from core.workspace import home_folder

            os.environ["LEPTON_HOME"] = str(home_folder(home))
        if not rest and sys.stdout.isatty() and "_LEPTON_COMPLETE" not in os.environ:
            from lepton_tui.open_app import open_app

            code = open_app()
        else:
            from lepton_tui.cli import run

            code = run(rest)
        sys.stdout.flush()
    except BrokenPipeError:
        # `lepton … | head` has all it wanted; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return INTERRUPTED
    except Exception as error:
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
        if _interrupted(error):
            sys.stderr.write("\n")
            return INTERRUPTED
        return report(error, debug=debug)
    return code


def take_globals(arguments: list[str]) -> tuple[list[str], str | None, bool]:
    """Split off `--home FOLDER` and `--debug`, which may stand anywhere before `--`.

    Raises:
        UsageError: `--home` names no folder.
    """
    rest: list[str] = []
    home: str | None = None
    debug = False
    words = iter(arguments)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--debug":
            debug = True
        elif word == "--home" or word.startswith("--home="):
            home = word.removeprefix("--home=") if "=" in word else next(words, "")
            if not home:
                from core.errors import UsageError

                raise UsageError("--home names no folder", hint="Write: --home FOLDER")
        else:
            rest.append(word)
    return rest, home, debug


def report(error: Exception, *, debug: bool) -> int:
    """Print an error on standard error: what and where, then what to do; its exit code."""
    from core.errors import LeptonError
    from lepton_tui.cli.output import RED, note, styled

    if debug:
        import traceback

        traceback.print_exception(error)
    if not isinstance(error, LeptonError):
        error = _unexpected(error, debug=debug)
    sys.stderr.write(styled("error: ", RED, sys.stderr))
    if error.several:
        note(f"there are {len(error.several)} mistakes:")
        for each in error.several:
            note("  " + " ".join(f"{each}. {each.hint}".rstrip(". ").split("\n")))
        return error.exit_code
    note(" ".join(str(error).split("\n")))
    for line in error.hint.splitlines():
        note(f"  {line}")
    return error.exit_code


def _interrupted(error: Exception) -> bool:
    """Whether it was Ctrl-C, in the middle of a query: DuckDB has an error of its own for that."""
    from core.errors import Cancelled

    return isinstance(error, Cancelled) or str(error) == "Query interrupted"


def _unexpected(error: Exception, *, debug: bool) -> LeptonError:
    from core.errors import LeptonError

    hint = "" if debug else "Run it again with --debug to see where."
    if isinstance(error, OSError) and error.strerror:
        return LeptonError(error.strerror, where=str(error.filename or ""), hint=hint)
    first = next(iter(str(error).strip().splitlines()), "")
    return LeptonError(
        f"{type(error).__name__}: {first}" if first else type(error).__name__, hint=hint
    )


def _keep_working_folder_out() -> None:
    """`python -m` looks into the working folder first, where a `core` of a person's own may lie."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return
    if here != OUR_FOLDER:
        sys.path[:] = [entry for entry in sys.path if entry and Path(entry).absolute() != here]


if __name__ == "__main__":
    sys.exit(main())
