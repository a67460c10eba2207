"""A conversation as one text that a model goes on with: by the template that it was taught with.

Templates are Jinja, as transformers keeps them. They come with models that others made, so they run
in Jinja's sandbox, where they can change nothing and reach no attribute that is not theirs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn, Self, TypeAlias

from core.errors import UsageError, first_line

ROLES = ("system", "user", "assistant")
MOST_LETTERS = 4_000_000
"""A template that makes more of a conversation is broken, or meant badly."""
_NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}


@dataclass(frozen=True)
class Message:
    """What one of `ROLES` said."""

    role: str
    content: str

    @classmethod
    def of(cls, given: Any) -> Self:
        """A message of {"role", "content"}.

        Raises:
            UsageError: it is none.
        """
        if isinstance(given, Mapping):
            role, content = given.get("role"), given.get("content")
            if role in ROLES and isinstance(content, str):
                return cls(role, content)
        raise UsageError(
            f"a message is a role (one of {', '.join(ROLES)}) and a content, which is a text"
        )

    def to_json(self) -> dict[str, str]:
        return {"role": self.role, "content": self.content}


Prompt: TypeAlias = str | Sequence[Message]
"""What a model is to go on with: a text, or a conversation that it is to answer."""


@dataclass(frozen=True)
class ChatTemplate:
    """How a conversation is written. Without a `template` it is written plainly:

        System: Be short.

        User: What is two and two?

        Assistant:

    and the answer ends where the next "User:" would begin. `marks` are the texts of the pieces that
    the template names, such as bos_token.
    """

    template: str = ""
    marks: Mapping[str, str] = field(default_factory=dict)

    @property
    def begun(self) -> bool:
        """Whether what is written holds the marks of a text's beginning."""
        return bool(self.template)

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end an answer."""
        return () if self.template else tuple(f"\n{name}:" for name in _NAMES.values())

    def written(self, messages: Sequence[Message]) -> str:
        """The conversation up to where the model is to go on.

        Raises:
            UsageError: the template refuses it, or cannot be run.
        """
        if not messages:
            raise UsageError("a conversation has a message at least")
        if not self.template:
            said = [f"{_NAMES[each.role]}: {each.content}" for each in messages]
            return "\n\n".join([*said, f"{_NAMES['assistant']}:"])
        from jinja2 import TemplateError

        try:
            parts: list[str] = []
            left = MOST_LETTERS
            for part in _compiled(self.template).generate(
                messages=[each.to_json() for each in messages],
                add_generation_prompt=True,
                tools=None,
                documents=None,
                **self.marks,
            ):
                parts.append(part)
                left -= len(part)
                if left < 0:
                    raise UsageError("the model's chat template writes without end")
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise UsageError(
                f"the model's chat template does not take this conversation: {first_line(error)}"
            ) from error
        return "".join(parts)

    def to_json(self) -> dict[str, Any]:
        return {"template": self.template, "marks": dict(self.marks)}

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Self:
        return cls(str(kept.get("template", "")), dict(kept.get("marks", {})))


@lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    made.filters["tojson"] = _as_json
    made.globals["raise_exception"] = _refuse
    made.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
    return made.from_string(template)


def _as_json(value: Any, indent: int | None = None) -> str:
    """As transformers has it: Jinja's own writes letters for HTML."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(words: str) -> NoReturn:
    raise ValueError(words)
