"""The prompt of `lepton chat`: questions, answers as they come, and what a slash asks for."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from json import dumps
from pathlib import Path
from typing import Any

from core.errors import LeptonError, UsageError
from core.generation.pieces import Ending, Piece, Token
from core.generation.sampling import LISTED, OPTIONS, Sampling, TooLong
from core.inference.process import EngineProcess
from core.inference.talking import Talk, schema_in
from core.workspace import written_path
from lepton_tui.cli.output import DIM, facts, in_terminal, note, put, put_json, styled
from screens.likely import likely_lines
from screens.text import plain, plain_lines, speeds

PROMPT, MORE, FENCE = ">>> ", "... ", '"""'
HELP = """\
/retry             answer the last question again
/edit [TEXT]       ask the last question in other words; without TEXT in $EDITOR
/set [NAME VALUE]  change a setting, or show them all
/system [TEXT]     what the model is told first
/save FILE         write the conversation: JSON for .json, else Markdown
/new               begin a new conversation
/help, /quit
\"\"\" begins and ends a text of several lines.
Ctrl-C stops an answer; at the prompt it leaves."""


class Session:
    """A conversation with a model behind an engine; what is said is kept as it is said."""

    def __init__(self, engine: EngineProcess, talk: Talk) -> None:
        self._engine = engine
        self._talk = talk
        self._commands: dict[str, Callable[[str], None]] = {
            "retry": self._retry,
            "edit": self._edit,
            "set": self._set,
            "system": self._system,
            "save": self._save,
            "new": self._new,
            "help": lambda _: note(HELP),
        }

    def answer_once(self, question: str, *, json: bool) -> None:
        """One answer, for a script: its text, or with `json` one document.

        Raises:
            UsageError, LeptonError: there is none.
        """
        self._answer(self._talk.ask(question), quiet=json)
        kept = self._talk.kept
        turn = kept.turns[-1]
        if json:
            ending = turn.ending.to_json() if turn.ending else None
            told: dict[str, Any] = {"conversation": kept.id, "model": kept.model}
            told |= {"question": question, "answer": turn.message.content, "ending": ending}
            if kept.settings.get("logprobs") is not None:
                told["tokens"] = [_token(each) for each in turn.tokens]
            put_json(told)
        if turn.stopped:
            raise KeyboardInterrupt

    def run(self) -> None:
        """Ask and answer until Ctrl-C, Ctrl-D or /quit."""
        import readline  # noqa: F401 - gives `input` a line that can be edited

        kept = self._talk.kept
        self._engine.start()
        note(f"{kept.model} – /help says what can be done, Ctrl-D leaves.")
        for turn in kept.turns:
            mark = PROMPT if turn.message.role == "user" else ""
            put(styled(plain_lines(mark + turn.message.content), DIM))
        # Between an answer and the prompt Ctrl-C leaves too.
        with suppress(KeyboardInterrupt):
            while (asked := _asked()) is not None and self._heard(asked):
                continue
        if self._talk.kept.path.exists():
            note(f"Kept. Go on with: lepton chat --conversation {self._talk.kept.id}")

    def _heard(self, asked: str) -> bool:
        """Do what is typed; False when that is to leave."""
        name, _, rest = asked.removeprefix("/").partition(" ")
        try:
            if not asked.startswith("/"):
                if asked.strip():
                    self._answer(self._talk.ask(asked))
            elif name in ("quit", "exit", "bye"):
                return False
            else:
                self._command(name, rest.strip())
        except TooLong as error:
            note(f"{error}\n/new begins a new conversation; nothing of this one is left out.")
        except LeptonError as error:
            note(f"{error}\n{error.hint}".rstrip())
        return True

    def _command(self, name: str, rest: str) -> None:
        command = self._commands.get(name)
        if command is None:
            raise UsageError(f"there is no /{name}", hint="/help lists what there is.")
        command(rest)

    def _answer(self, answer: Generator[Piece], *, quiet: bool = False) -> None:
        """Show an answer as it comes; Ctrl-C ends it."""
        ending: Ending | None = None
        began = False
        try:
            # Closed at once, not when nobody holds it any more: what was said is kept then.
            with suppress(KeyboardInterrupt), closing(answer):
                for piece in answer:
                    began, ending = True, piece.ending
                    if not quiet:
                        _show(piece.text)
        except LeptonError:
            if began:
                put()
            raise
        if not quiet:
            put()
            for line in likely_lines(self._talk.kept.turns[-1].tokens):
                put(styled(line, DIM))
            if in_terminal(sys.stdout):
                sys.stderr.write(styled(speeds(ending), DIM, sys.stderr) + "\n")

    def _retry(self, _: str) -> None:
        self._answer(self._talk.retry())

    def _edit(self, text: str) -> None:
        text = text or _edited(self._talk.question)
        if not text.strip():
            raise UsageError("the question is empty; nothing was changed")
        answer = self._talk.edit(text)
        put(styled(plain_lines(PROMPT + text), DIM))
        self._answer(answer)

    def _set(self, text: str) -> None:
        name, _, value = text.partition(" ")
        if not name:
            told = Sampling.of(self._talk.kept.settings).to_json()
            about = [(option.name, f"{told[option.name]}  {option.help}") for option in OPTIONS]
            facts([*about, *((name, _written(told[name])) for name in LISTED)])
            return
        new: object = value
        if name == "stop":
            new = shlex.split(value)
        elif name == "json":
            new = value.strip().lower() in ("1", "on", "true", "yes")
        elif name == "schema":
            new = schema_in(Path(value)) if value else None
        read = Sampling.of({**self._talk.kept.settings, name: new}).to_json()
        self._talk.kept.set(settings={name: read[name]})

    def _system(self, text: str) -> None:
        if not text:
            note(self._talk.kept.system or "The model is told nothing first.")
            return
        self._talk.kept.set(system=text)

    def _save(self, text: str) -> None:
        if not text:
            raise UsageError("/save names no file", hint="Write: /save talk.md")
        note(f"Written: {self._talk.kept.write(written_path(text))}")

    def _new(self, _: str) -> None:
        from core.inference.conversations import Conversations
        from core.workspace import Workspace

        before = self._talk.kept
        new = Conversations(Workspace.open()).new(
            before.model, system=before.system, settings=before.settings
        )
        self._talk = Talk(self._engine, new)
        note("A new conversation.")


def _show(text: str) -> None:
    """A part of an answer. What it is told by others cannot move the cursor."""
    sys.stdout.write("\n".join(map(plain, text.split("\n"))))
    sys.stdout.flush()


def _written(value: object) -> str:
    if type(value) is int:
        return str(value)
    return dumps(value, ensure_ascii=False) if value else "none"


def _token(token: Token) -> dict[str, Any]:
    likeliest = [{"token": _text(raw), "logprob": each} for raw, each in token.likeliest]
    return {"token": _text(token.raw), "logprob": token.logprob, "likeliest": likeliest}


def _text(raw: bytes) -> str:
    """A token that is a part of a letter is no text: its bytes are told as Python writes them."""
    return raw.decode(errors="backslashreplace")


def _asked() -> str | None:
    """What is typed at the prompt; None when that is the end: Ctrl-C, Ctrl-D."""
    try:
        line = input(PROMPT)
        if not line.lstrip().startswith(FENCE):
            return line
        text = line.lstrip().removeprefix(FENCE)
        while FENCE not in text:
            text += "\n" + input(MORE)
        return text[: text.index(FENCE)].strip("\n")
    except (EOFError, KeyboardInterrupt):
        sys.stderr.write("\n")
        return None


def _edited(text: str) -> str:
    """The text as a person leaves it in their editor.

    Raises:
        UsageError: there is no editor.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "question.md"
        file.write_text(text)
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(
                f"the editor cannot be used: {editor}", hint="Name one in EDITOR, or: /edit TEXT"
            ) from error
        return file.read_text().rstrip("\n")
