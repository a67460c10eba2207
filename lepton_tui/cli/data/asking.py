"""`lepton data sql`: a statement over the data sets, or a prompt for them."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from core.errors import LeptonError, UsageError
from core.workspace import written_path
from lepton_tui.cli.data.group import JSON, app, open_lake
from lepton_tui.cli.interrupt import interruptible
from lepton_tui.cli.output import note, put_json, table
from screens.text import counted, human_duration

if TYPE_CHECKING:
    from core.data.sql.console import Answer, Console

SHOWN = 100
PROMPT, MORE = "sql> ", "  -> "


@app.command()
def sql(
    *,
    statement: str = typer.Argument(
        None, metavar="[STATEMENT]", help="What to ask; - reads it from standard input."
    ),
    limit: int = typer.Option(
        None, min=1, metavar="N", help=f"Rows to show ({SHOWN}; all with --csv)."
    ),
    as_csv: bool = typer.Option(False, "--csv", help="Print the answer as CSV."),
    output: Path = typer.Option(
        None, "--output", metavar="FILE", help="Write the whole answer: .csv .parquet .jsonl …"
    ),
    force: bool = typer.Option(False, "--force", help="Replace the file if it is there."),
    memory: str = typer.Option("1GB", metavar="SIZE", help="Memory it may take."),
    timeout: float = typer.Option(30.0, min=0.1, metavar="SECONDS", help="Time it may take."),
    json: bool = JSON,
) -> None:
    """Ask the data sets in SQL. It reads them and nothing else.

    A data set is a table by its name: mnist, or "mnist@3" for another version. Without a statement
    there is a prompt, until Ctrl-D.
    """
    from core.data.sql.console import Console

    console = Console(open_lake(), memory=memory, seconds=timeout)
    if statement is None:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError("there is no statement", hint="Write one, or - to read it from stdin.")
        _prompt(console, limit or SHOWN)
        return
    if statement == "-":
        statement = sys.stdin.read()
    asked = statement
    if output is not None:
        place = written_path(output)
        rows = interruptible(lambda: console.export(asked, place, replace=force), console.interrupt)
        note(f"{counted(rows, 'row')} written to {output}")
        return
    if as_csv:
        interruptible(lambda: _put_csv(console, asked, limit), console.interrupt)
        return
    answer = interruptible(lambda: console.run(asked, limit or SHOWN), console.interrupt)
    if json:
        columns = [{"name": name, "type": kind} for name, kind in answer.columns]
        put_json({"columns": columns, "rows": answer.rows, "truncated": answer.truncated})
        return
    _put(answer)


def _put(answer: Answer) -> None:
    if len(answer.columns) == 2 and answer.columns[0][0] == "explain_key":
        for _, plan in answer.rows:
            sys.stdout.write(f"{plan}\n")
        return
    table([name for name, _ in answer.columns], answer.rows)
    took = human_duration(answer.seconds)
    if answer.truncated:
        note(f"The first {counted(len(answer.rows), 'row')}, in {took}. --output FILE writes all.")
    else:
        note(f"{counted(len(answer.rows), 'row')} in {took}.")


def _put_csv(console: Console, statement: str, limit: int | None) -> None:
    from core.data.sql.console import as_rows

    left = limit
    with console.answer(statement) as answer:
        out = csv.writer(sys.stdout, lineterminator="\n")
        out.writerow([name for name, _ in answer.columns])
        for batch in answer.batches:
            rows = as_rows(batch if left is None else batch.slice(0, left), answer.columns)
            out.writerows(rows)
            if left is not None:
                left -= len(rows)
                if left == 0:
                    return


def _prompt(console: Console, limit: int) -> None:
    """Ask and answer until Ctrl-D; a line that ends with a backslash goes on in the next one."""
    import readline

    from core.data.sql.console import History, completions

    history = History(console.lake)
    for line in history.read():
        readline.add_history(" ".join(line.split()))
    found: list[str] = []

    def complete(_: str, number: int) -> str | None:
        if number == 0:
            try:
                found[:] = completions(
                    console.lake, readline.get_line_buffer(), readline.get_endidx()
                )
            except LeptonError:
                found.clear()
        return found[number] if number < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n,()=<>+*/;")
    # The editor of macOS has its own way to say it.
    libedit = "libedit" in (readline.__doc__ or "")
    readline.parse_and_bind("bind ^I rl_complete" if libedit else "tab: complete")
    note("Tab completes, \\ at the end goes on, Ctrl-D leaves. SHOW TABLES lists the data sets.")
    while (statement := _asked()) is not None:
        if not statement.strip():
            continue
        try:
            history.add(statement)
            _put(interruptible(lambda s=statement: console.run(s, limit), console.interrupt))  # type: ignore[misc]
        except KeyboardInterrupt:
            note("Cancelled.")
        except LeptonError as error:
            note(f"{error}\n{error.hint}".rstrip())


def _asked() -> str | None:
    """A statement, "" after Ctrl-C, None at the end."""
    lines: list[str] = []
    try:
        while True:
            line = input(MORE if lines else PROMPT)
            lines.append(line.removesuffix("\\"))
            if not line.endswith("\\"):
                return "\n".join(lines)
    except EOFError:
        sys.stdout.write("\n")
        return None
    except KeyboardInterrupt:
        sys.stdout.write("\n")
        return ""
