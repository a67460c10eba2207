"""`lepton serve keys`: who may ask a service."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import typer

from core.errors import UsageError
from core.models.registry import Models
from core.serving.keys import SCOPES, Key, Keys
from core.workspace import Workspace
from lepton_tui.cli.groups import noun
from lepton_tui.cli.options import comma_list
from lepton_tui.cli.output import confirm, note, put, put_json, table

app = noun("Make, list and remove the keys of this workspace's services.")

_TIME = re.compile(r"(\d+)([dhm])")
_SECONDS = {"d": 86_400, "h": 3600, "m": 60}


@app.command()
def add(
    *,
    name: str = typer.Argument(metavar="NAME", help="Whose key it is."),
    models: str = typer.Option(None, metavar="A,B", help="The models it is for; else all."),
    expires: str = typer.Option(None, metavar="TIME", help="How long it holds: 30d, 12h; else on."),
    scope: list[str] = typer.Option(
        None, metavar="SCOPE", help=f"{', '.join(SCOPES)}; may be given again. Else infer."
    ),
    json: bool = typer.Option(False, "--json", help="Print the key as one JSON document."),
) -> None:
    """Make a key. It is shown once: only a hash of it is kept."""
    workspace = Workspace.open()
    named = comma_list(models) or []
    for model in named:
        Models(workspace).get(model)
    scopes = tuple(scope or ("infer",))
    token, key = Keys(workspace).add(name, scopes=scopes, models=named, seconds=_seconds(expires))
    if json:
        put_json({"key": token, **key.to_json()})
        return
    note("This is the only time that the key is shown:")
    put(token)


@app.command(name="ls")
def list_keys(
    *, json: bool = typer.Option(False, "--json", help="Print one JSON document.")
) -> None:
    """List the keys, by what is known of them."""
    keys = Keys(Workspace.open()).list()
    if json:
        put_json([key.to_json() for key in keys])
    elif not keys:
        note("There are no keys. Make one: lepton serve keys add NAME")
    else:
        heads = ["name", "begins with", "scope", "models", "until"]
        table(heads, [_told(key) for key in keys], whole=("name", "begins with"))


@app.command(name="rm")
def remove(
    *,
    name: str = typer.Argument(metavar="NAME", help="Whose key."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Remove a key. Services that run refuse it from the next request on."""
    keys = Keys(Workspace.open())
    if any(key.name == name for key in keys.list()):
        confirm(f'Remove the key "{name}"? Whoever uses it is refused from now on.', yes=yes)
    keys.remove(name)
    note(f'The key "{name}" is removed.')


def _told(key: Key) -> list[object]:
    until = "for good"
    if key.expires is not None:
        day = datetime.fromtimestamp(key.expires, UTC).strftime("%Y-%m-%d %H:%M UTC")
        until = f"expired {day}" if key.expired else day
    models = ", ".join(key.models) or "all"
    return [key.name, f"{key.prefix}…", ", ".join(key.scopes), models, until]


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    found = _TIME.fullmatch(text.strip())
    if not found or not int(found[1]):
        raise UsageError(f'--expires: "{text}" is no time', hint="Write 30d, 12h or 45m.")
    return float(int(found[1]) * _SECONDS[found[2]])
