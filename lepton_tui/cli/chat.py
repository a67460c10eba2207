"""`lepton chat MODEL`: a conversation with a language model, or one answer for a script."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from core.errors import UsageError
from core.generation.sampling import Sampling
from core.inference.conversations import LAST, Conversation, Conversations
from core.models.registry import Models, task_of
from core.workspace import Workspace
from lepton_tui.cli.groups import Command, single
from lepton_tui.cli.output import in_terminal

app = single()

KEPT = ("ls", "search", "show", "export", "rm")


class Chat(Command):
    """A command of a model, but for the words that are about the conversations that are kept.

    A model that is called so is named with its version: `show@1`.
    """

    def make_context(
        self, info_name: Any, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        if args[:1] and args[0] in KEPT:
            from lepton_tui.cli.chat_kept import app as kept

            command: Any = typer.main.get_command(kept)
            return command.make_context(str(info_name), args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@app.command(
    cls=Chat,
    epilog="Conversations are kept: lepton chat ls | search WORDS | show ID | export ID FILE |"
    " rm ID. In a chat, /help says what else can be done.",
)
def chat(
    *,
    model: str = typer.Argument(
        None, metavar="MODEL", help='A language model: "name", "name@version", or its folder.'
    ),
    words: list[str] = typer.Argument(
        None, metavar="TEXT…", help="What to ask. What comes through a pipe is put after it."
    ),
    system: str = typer.Option(None, metavar="TEXT", help="What the model is told first."),
    go_on: bool = typer.Option(
        False, "--continue", "-c", help="Go on with the last conversation; name no MODEL."
    ),
    conversation: str = typer.Option(None, metavar="ID", help="Go on with this one."),
    max_tokens: str = typer.Option(None, metavar="N", help="The most tokens of an answer."),
    temperature: str = typer.Option(None, metavar="T", help="How daring it is; 0: not at all."),
    top_k: str = typer.Option(None, metavar="N", help="Draw from the N likeliest; 0: from all."),
    top_p: str = typer.Option(None, metavar="P", help="Draw from the likeliest of this share."),
    min_p: str = typer.Option(None, metavar="P", help="Leave out what is less likely than that."),
    repetition_penalty: str = typer.Option(None, metavar="R", help="Above 1: repeat less."),
    presence_penalty: str = typer.Option(
        None, metavar="P", help="Above 0: what the answer has said becomes less likely."
    ),
    frequency_penalty: str = typer.Option(None, metavar="P", help="… each time that it was said."),
    seed: str = typer.Option(None, metavar="N", help="The same seed, the same answer."),
    stop: list[str] = typer.Option(None, metavar="TEXT", help="The answer ends before this."),
    as_json: bool = typer.Option(False, "--as-json", help="The answer is a JSON object."),
    schema: Path = typer.Option(None, metavar="FILE", help="… that fits this JSON schema."),
    logprobs: str = typer.Option(
        None,
        metavar="N",
        help="Tell how likely each token was, and the N likeliest of its place; 0: it alone.",
    ),
    device: str = typer.Option("auto", metavar="NAME", help="cpu, cuda, cuda:1, mps or auto."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Talk with a language model. Ctrl-C stops an answer, and at the prompt it leaves."""
    from core.inference.process import EngineProcess
    from core.inference.talking import Talk, schema_in
    from lepton_tui.cli.chat_prompt import Session

    workspace = Workspace.open()
    given = {
        "max_tokens": max_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "repetition_penalty": repetition_penalty,
        "presence_penalty": presence_penalty,
        "frequency_penalty": frequency_penalty,
        "seed": seed,
        "stop": stop or None,
        "json": as_json or None,
        "schema": schema_in(schema) if schema else None,
        "logprobs": logprobs,
    }
    named = {name: value for name, value in given.items() if value is not None}
    read = Sampling.of(named).to_json()
    settings = {name: read[name] for name in named}
    said = list(words or [])
    if go_on or conversation:
        # It knows its model; all words are what is asked.
        said = [model, *said] if model else said
        talk = _gone_on(workspace, conversation or LAST, system, settings)
    else:
        talk = _begun(workspace, model, system, settings)
    asked = " ".join(said)
    if not sys.stdin.isatty():
        asked = "\n\n".join(part for part in (asked, sys.stdin.read().strip("\n")) if part)
    alone = bool(asked) or not in_terminal(sys.stdout)
    if alone and not asked:
        raise UsageError("there is nothing to ask", hint='Write it: lepton chat MODEL "TEXT"')
    with EngineProcess(workspace, device) as engine:
        session = Session(engine, Talk(engine, talk))
        if alone:
            session.answer_once(asked, json=json)
        else:
            session.run()


def _begun(
    workspace: Workspace, model: str | None, system: str | None, settings: dict[str, Any]
) -> Conversation:
    if model is None:
        raise UsageError("MODEL is missing", hint="lepton models ls lists them.")
    _check(workspace, model)
    return Conversations(workspace).new(model, system=system or "", settings=settings)


def _gone_on(
    workspace: Workspace, id: str, system: str | None, settings: dict[str, Any]
) -> Conversation:
    """A conversation that is kept, with what is asked for otherwise from now on."""
    talk = Conversations(workspace).get(id)
    _check(workspace, talk.model)
    changes: dict[str, Any] = {"settings": settings} if settings else {}
    if system is not None:
        changes["system"] = system
    if changes:
        talk.set(**changes)
    return talk


def _check(workspace: Workspace, model: str) -> None:
    task = task_of(Models(workspace).get(model))
    if not task.talks:
        raise UsageError(
            f"{model} is for {task.name}, and does not go on with texts",
            hint=f"Ask it: lepton predict {model} INPUT",
        )
