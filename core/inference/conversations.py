"""Conversations with models, kept in the workspace: one file of JSON lines for each.

A file is only ever added to, a line at a time, so a kill leaves at most a last line that is not
whole, which is not read. The first line says what the conversation is; the others are messages,
changed settings, or how many messages were taken back (by an edit, or to try again). A person may
read them with any editor, and DuckDB reads all at once. One that is removed while it is had stays
removed: nothing of it is written again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from core.atomic import write_json, write_text
from core.errors import LeptonError, UsageError
from core.generation.chat import Message
from core.generation.pieces import Ending, Token
from core.workspace import Workspace

SUFFIX = ".jsonl"
LAST = "last"
_LONGEST_TITLE = 200


@dataclass(frozen=True)
class Turn:
    """One message; an answer has its `ending`, or was `stopped` before there was one. How likely
    its `tokens` were is told where that is asked for, and not kept."""

    message: Message
    at: str
    ending: Ending | None = None
    stopped: bool = False
    tokens: Sequence[Token] = field(default=(), compare=False)

    def to_json(self) -> dict[str, Any]:
        ending = {} if self.ending is None else {"ending": self.ending.to_json()}
        stopped = {"stopped": True} if self.stopped else {}
        return {**self.message.to_json(), "at": self.at, **ending, **stopped}


@dataclass
class Conversation:
    """A conversation with a model. What is said and set is in its file as soon as it is told."""

    path: Path
    model: str
    created: str
    system: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    begun: bool = False
    """Whether a file was made of it, which may have been removed since."""

    @property
    def removed(self) -> bool:
        return self.begun and not self.path.exists()

    @property
    def id(self) -> str:
        return self.path.stem

    @property
    def title(self) -> str:
        """What it is about: how it began."""
        first = next((turn for turn in self.turns if turn.message.role == "user"), None)
        return " ".join(first.message.content.split())[:_LONGEST_TITLE] if first else ""

    @property
    def changed(self) -> str:
        return self.turns[-1].at if self.turns else self.created

    @property
    def messages(self) -> list[Message]:
        """What a model is to answer: the system's message first, where there is one."""
        system = [Message("system", self.system)] if self.system else []
        return [*system, *(turn.message for turn in self.turns)]

    def say(
        self,
        role: str,
        content: str,
        *,
        ending: Ending | None = None,
        stopped: bool = False,
        tokens: Sequence[Token] = (),
    ) -> None:
        """Add a message."""
        turn = Turn(Message(role, content), _now(), ending, stopped, tokens)
        self._keep(turn.to_json())
        self.turns.append(turn)

    def take_back(self, count: int) -> list[Turn]:
        """Take the newest messages back, and return them."""
        gone = self.turns[len(self.turns) - count :]
        if gone:
            self._keep({"took_back": count})
            del self.turns[len(self.turns) - count :]
        return gone

    def set(self, **changes: Any) -> None:
        """Change `model`, `system` or single `settings` from now on."""
        self._take(changes)
        if self.begun:
            self._keep({"set": changes})

    def to_json(self, *, whole: bool = True) -> dict[str, Any]:
        """What it is; with its messages where it is wanted `whole`."""
        told = {
            "id": self.id,
            "model": self.model,
            "title": self.title,
            "created": self.created,
            "changed": self.changed,
            "messages": len(self.turns),
        }
        if not whole:
            return told
        turns = [turn.to_json() for turn in self.turns]
        return {**told, "system": self.system, "settings": self.settings, "messages": turns}

    def in_markdown(self) -> str:
        """The conversation as a document."""
        parts = [f"# {self.title or self.id}", f"With `{self.model}`, {self.created}."]
        if self.system:
            parts.append(f"**System**\n\n{self.system}")
        for turn in self.turns:
            stopped = "\n\n*(stopped)*" if turn.stopped else ""
            parts.append(f"**{turn.message.role.title()}**\n\n{turn.message.content}{stopped}")
        return "\n\n".join(parts) + "\n"

    def write(self, path: Path) -> Path:
        """Write it as its file's name says: JSON for .json, else Markdown.

        Raises:
            LeptonError: it cannot be written.
        """
        try:
            if path.suffix == ".json":
                write_json(path, self.to_json())
            else:
                write_text(path, self.in_markdown())
        except OSError as error:
            raise LeptonError(
                f"the conversation cannot be written: {error.strerror}", where=str(path)
            ) from error
        return path

    def _take(self, changes: Mapping[str, Any]) -> None:
        self.model = changes.get("model", self.model)
        self.system = changes.get("system", self.system)
        self.settings |= changes.get("settings", {})

    def _keep(self, line: Mapping[str, Any]) -> None:
        """Add a line to the file, and with the first one what the conversation is."""
        lines = [line]
        how = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        if begins := not self.begun:
            head = {"model": self.model, "created": self.created, "system": self.system}
            lines.insert(0, {**head, "settings": self.settings})
            how |= os.O_CREAT
        written = b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in lines)
        try:
            if begins:
                self.path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self.path, how, 0o600)
            self.begun = True
            with os.fdopen(descriptor, "r+b") as file:
                size = file.seek(0, os.SEEK_END)
                # A line that a kill left unfinished must not take this one with it.
                if size and (file.seek(size - 1), file.read(1))[1] != b"\n":
                    written = b"\n" + written
                file.write(written)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if self.removed:
                return
            raise LeptonError(
                f"the conversation cannot be kept: {error.strerror}", where=str(self.path)
            ) from error


class Conversations:
    """The conversations of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.folder = workspace.home / "conversations"

    def new(
        self, model: str, *, system: str = "", settings: Mapping[str, Any] | None = None
    ) -> Conversation:
        """One that has not begun; its file is made with its first message."""
        name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:4]}{SUFFIX}"
        return Conversation(self.folder / name, model, _now(), system, dict(settings or {}))

    def list(self) -> list[Conversation]:
        """All of them, those first in which something was said last. Left out are damaged ones, and
        those of which everything was taken back."""
        read = map(_read, self.folder.glob(f"*{SUFFIX}"))
        found = [each for each in read if each is not None and each.turns]
        return sorted(found, key=lambda each: (each.changed, each.id), reverse=True)

    def get(self, id: str) -> Conversation:
        """The one of an id or of the beginning of one; "last" is the newest.

        Raises:
            UsageError: there is none, or there are several.
        """
        known = self.list()
        if id == LAST:
            if not known:
                raise UsageError("there is no conversation yet", hint="Begin: lepton chat MODEL")
            return known[0]
        fitting = [each for each in known if each.id.startswith(id)] if id else []
        exact = [each for each in fitting if each.id == id] or fitting
        if len(exact) != 1:
            what = "several conversations begin" if exact else "no conversation begins"
            raise UsageError(f'{what} with "{id}"', hint="lepton chat ls shows them.")
        return exact[0]

    def search(self, words: str) -> Iterator[tuple[Conversation, Turn]]:
        """Every message in which all these words are, in any case."""
        wanted = words.casefold().split()
        for conversation in self.list():
            for turn in conversation.turns:
                said = turn.message.content.casefold()
                if wanted and all(word in said for word in wanted):
                    yield conversation, turn

    def remove(self, id: str) -> Conversation:
        """Remove one; it raises what `get` does."""
        gone = self.get(id)
        gone.path.unlink(missing_ok=True)
        return gone


def _read(path: Path) -> Conversation | None:
    """What a file holds, as far as its lines are whole; None where even the first is not."""
    try:
        lines = path.read_bytes().split(b"\n")
        head, *rest = [line for line in map(_parsed, lines) if line is not None]
        read = Conversation(path, str(head["model"]), str(head["created"]), begun=True)
        read._take({"system": head["system"], "settings": head["settings"]})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    for line in rest:
        if "set" in line:
            read._take(line["set"])
        elif "took_back" in line:
            del read.turns[max(0, len(read.turns) - int(line["took_back"])) :]
        elif "role" in line:
            ending = Ending.from_json(line["ending"]) if "ending" in line else None
            message = Message(line["role"], line["content"])
            read.turns.append(Turn(message, line["at"], ending, bool(line.get("stopped"))))
    return read


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
