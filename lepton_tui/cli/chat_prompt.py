"""The prompt of `lepton chat`: questions, answers as they come, and what a slash asks for."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from json import dumps
from pathlib import Path

from core.atomic import write_json, write_text
from core.conversations import Conversation
from core.errors import LeptonError, UsageError
from core.generation.pieces import Ending
from core.generation.sampling import LISTED, OPTIONS, Sampling, TooLong
from core.inference.process import EngineProcess
from core.workspace import written_path
from lepton_tui.cli.output import DIM, facts, in_terminal, note, put, put_json, styled
from screens.text import human_number, plain, plain_lines

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

    def __init__(self, engine: EngineProcess, talk: Conversation) -> None:
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
        self._talk.say("user", question)
        self._answer(quiet=json)
        turn = self._talk.turns[-1]
        if json:
            ending = turn.ending.to_json() if turn.ending else None
            told = {"conversation": self._talk.id, "model": self._talk.model}
            put_json(
                {**told, "question": question, "answer": turn.message.content} | {"ending": ending}
            )
        if turn.stopped:
            raise KeyboardInterrupt

    def run(self) -> None:
        """Ask and answer until Ctrl-C, Ctrl-D or /quit."""
        import readline  # noqa: F401 - gives `input` a line that can be edited

        self._engine.start()
        note(f"{self._talk.model} – /help says what can be done, Ctrl-D leaves.")
        for turn in self._talk.turns:
            mark = PROMPT if turn.message.role == "user" else ""
            put(styled(plain_lines(mark + turn.message.content), DIM))
        # Between an answer and the prompt Ctrl-C leaves too.
        with suppress(KeyboardInterrupt):
            while (asked := _asked()) is not None and self._heard(asked):
                continue
        if self._talk.path.exists():
            note(f"Kept. Go on with: lepton chat --conversation {self._talk.id}")

    def _heard(self, asked: str) -> bool:
        """Do what is typed; False when that is to leave."""
        name, _, rest = asked.removeprefix("/").partition(" ")
        try:
            if not asked.startswith("/"):
                if asked.strip():
                    self._talk.say("user", asked)
                    self._answer()
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

    def _answer(self, *, quiet: bool = False) -> None:
        """Show an answer to what was said last as it comes, and keep it; Ctrl-C ends it.

        A question that cannot be answered at all is taken back.
        """
        talk, parts = self._talk, list[str]()
        ending: Ending | None = None
        stopped = False
        asked = self._engine.generate(talk.model, talk.messages, Sampling.of(talk.settings))
        try:
            with closing(asked):
                for piece in asked:
                    parts.append(piece.text)
                    ending = piece.ending
                    if not quiet:
                        _show(piece.text)
        except KeyboardInterrupt:
            stopped = True
        except LeptonError:
            if not parts:
                talk.take_back(1)
                raise
            talk.say("assistant", "".join(parts), stopped=True)
            put()
            raise
        talk.say("assistant", "".join(parts), ending=ending, stopped=stopped)
        if not quiet:
            put()
            if in_terminal(sys.stdout):
                sys.stderr.write(styled(_speeds(ending), DIM, sys.stderr) + "\n")

    def _retry(self, _: str) -> None:
        if not self._talk.turns:
            raise UsageError("nothing was asked yet")
        if self._talk.turns[-1].message.role == "assistant":
            self._talk.take_back(1)
        self._answer()

    def _edit(self, text: str) -> None:
        turns = self._talk.turns
        at = [at for at, turn in enumerate(turns) if turn.message.role == "user"][-1:]
        if not at:
            raise UsageError("nothing was asked yet")
        text = text or _edited(turns[at[0]].message.content)
        if not text.strip():
            raise UsageError("the question is empty; nothing was changed")
        self._talk.take_back(len(turns) - at[0])
        self._talk.say("user", text)
        put(styled(plain_lines(PROMPT + text), DIM))
        self._answer()

    def _set(self, text: str) -> None:
        name, _, value = text.partition(" ")
        if not name:
            told = Sampling.of(self._talk.settings).to_json()
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
        read = Sampling.of({**self._talk.settings, name: new}).to_json()
        self._talk.set(settings={name: read[name]})

    def _system(self, text: str) -> None:
        if not text:
            note(self._talk.system or "The model is told nothing first.")
            return
        self._talk.set(system=text)

    def _save(self, text: str) -> None:
        if not text:
            raise UsageError("/save names no file", hint="Write: /save talk.md")
        note(f"Written: {save(self._talk, written_path(text))}")

    def _new(self, _: str) -> None:
        from core.conversations import Conversations
        from core.workspace import Workspace

        talk = self._talk
        kept = Conversations(Workspace.open())
        self._talk = kept.new(talk.model, system=talk.system, settings=talk.settings)
        note("A new conversation.")


def save(talk: Conversation, path: Path) -> Path:
    """Write a conversation as its file's name says: JSON for .json, else Markdown.

    Raises:
        LeptonError: it cannot be written.
    """
    try:
        if path.suffix == ".json":
            write_json(path, talk.to_json())
        else:
            write_text(path, talk.in_markdown())
    except OSError as error:
        raise LeptonError(
            f"the conversation cannot be written: {error.strerror}", where=str(path)
        ) from error
    return path


def _show(text: str) -> None:
    """A part of an answer. What it is told by others cannot move the cursor."""
    sys.stdout.write("\n".join(map(plain, text.split("\n"))))
    sys.stdout.flush()


def _speeds(ending: Ending | None) -> str:
    if ending is None:
        return "stopped"
    prefill, decode = human_number(ending.prefill_rate), human_number(ending.decode_rate)
    return (
        f"{ending.prompt_tokens:,} tokens read at {prefill}/s,"
        f" {ending.new_tokens:,} said at {decode}/s"
        + ("" if ending.reason == "stop" else "; the answer is cut: its length is all used")
    )


def _written(value: object) -> str:
    return dumps(value, ensure_ascii=False) if value else "none"


def schema_in(path: Path) -> str:
    """The text of a JSON schema's file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return written_path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"the schema cannot be read: {why}", where=str(path)) from error


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
