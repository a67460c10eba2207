"""`lepton chat ls`, `search`, `show`, `export`, `rm`: the conversations that are kept."""

from __future__ import annotations

from pathlib import Path

import typer

from core.inference.conversations import Conversation, Conversations
from core.workspace import Workspace
from lepton_tui.cli.groups import noun
from lepton_tui.cli.output import confirm, note, put, put_json, table
from screens.text import around, plain_lines

app = noun("List, search, show, export and remove conversations.")

AROUND = 120
_ID = typer.Argument(metavar="ID", help='A conversation, the beginning of its id, or "last".')
_JSON = typer.Option(False, "--json", help="Print one JSON document.")


@app.command(name="ls")
def list_conversations(*, json: bool = _JSON) -> None:
    """List them, the newest first."""
    found = Conversations(Workspace.open()).list()
    if json:
        put_json([each.to_json(whole=False) for each in found])
    elif not found:
        note("There are no conversations. Begin one: lepton chat MODEL")
    else:
        heads = ["id", "model", "messages", "changed", "about"]
        table(heads, [_told(each) for each in found], whole=("id",))


@app.command()
def search(
    *,
    words: list[str] = typer.Argument(metavar="WORDS…", help="Words that a message holds."),
    json: bool = _JSON,
) -> None:
    """Find messages that hold all these words."""
    found = [*Conversations(Workspace.open()).search(" ".join(words))]
    if json:
        put_json([{"id": talk.id, **turn.to_json()} for talk, turn in found])
    elif not found:
        note("No message holds all these words.")
    else:
        rows = [
            [talk.id, turn.message.role, around(turn.message.content, words[0], AROUND)]
            for talk, turn in found
        ]
        table(["id", "who", "message"], rows, whole=("id",))


@app.command()
def show(*, id: str = _ID, json: bool = _JSON) -> None:
    """Show one conversation."""
    talk = Conversations(Workspace.open()).get(id)
    if json:
        put_json(talk.to_json())
    else:
        put(plain_lines(talk.in_markdown()))


@app.command()
def export(
    *,
    id: str = _ID,
    file: Path = typer.Argument(metavar="FILE", help="JSON for .json, else Markdown."),
) -> None:
    """Write one conversation to a file."""
    note(f"Written: {Conversations(Workspace.open()).get(id).write(file)}")


@app.command(name="rm")
def remove(
    *, id: str = _ID, yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask.")
) -> None:
    """Remove one conversation."""
    kept = Conversations(Workspace.open())
    talk = kept.get(id)
    confirm(f'Remove the conversation "{talk.title or talk.id}"?', yes=yes)
    note(f"{kept.remove(talk.id).id} is removed.")


def _told(talk: Conversation) -> list[object]:
    changed = talk.changed[:16].replace("T", " ")
    return [talk.id, talk.model, len(talk.turns), changed, talk.title]
