"""A recipe: an ordered list of steps, kept in one TOML file that a person can read."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core import toml
from core.atomic import write_text
from core.data.cleaning.step import Step
from core.data.cleaning.steps import STEPS
from core.errors import UsageError, nearest
from core.settings import build, from_words, settings_of
from core.workspace import written_path


@dataclass(frozen=True)
class Recipe:
    """Steps in their order."""

    steps: tuple[Step, ...]

    @property
    def typed_sql(self) -> bool:
        """Whether a person's SQL is in it."""
        return any(step.typed_sql for step in self.steps)

    @classmethod
    def load(cls, path: str | Path) -> Recipe:
        """Read a recipe's file.

        Raises:
            UsageError: it is not there or no TOML, or a step of it cannot be; the error names the
                step, the setting and the nearest one there is.
        """
        path = written_path(path)
        hint = "Name a TOML file of steps; --save FILE writes one of steps that you ran."
        document = toml.read(path, "the recipe", hint=hint)
        unknown = [key for key in document if key != "step"]
        if unknown:
            raise UsageError(
                f'a recipe has no "{unknown[0]}"',
                where=str(path),
                hint='Each step begins with a line [[step]] and says do = "…".',
            )
        return cls.of(document.get("step", []), where=str(path))

    @classmethod
    def of(cls, steps: Any, *, where: str = "") -> Recipe:
        """A recipe from its steps as plain data: a list of `{"do": "fill", ...}`.

        Raises:
            UsageError: a step cannot be.
        """
        if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
            raise UsageError(
                "a recipe has one step or more",
                where=where,
                hint='Each begins with a line [[step]] and says do = "…"; see: lepton data steps',
            )
        made = []
        for n, given in enumerate(steps, 1):
            try:
                made.append(_step(given, n))
            except UsageError as error:
                raise UsageError(error.what, where=where, hint=error.hint) from error
        return cls(tuple(made))

    @classmethod
    def from_words(cls, lines: Iterable[str]) -> Recipe:
        """A recipe from steps as a command line has them: `fill columns=age,fare with=median`.

        Raises:
            UsageError: a step cannot be.
        """
        return cls.of([_from_line(line, n) for n, line in enumerate(lines, 1)])

    def to_json(self) -> list[dict[str, Any]]:
        return [step.to_json() for step in self.steps]

    def to_toml(self) -> str:
        """The recipe as its file has it."""
        blocks = [f"[[step]]\n{toml.lines(step)}" for step in self.to_json()]
        return "\n\n".join(blocks) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the recipe's file, whole or not at all.

        Raises:
            UsageError: it cannot be written there.
        """
        path = written_path(path)
        try:
            write_text(path, self.to_toml())
        except OSError as error:
            raise UsageError(
                f"the recipe cannot be written: {error.strerror}", where=str(path)
            ) from error


def catalogue() -> list[dict[str, Any]]:
    """Every step there is with its settings, as plain data, for help and for screens."""
    return [
        {
            "do": step.do,
            "help": step.help,
            "settings": [asdict(each) for each in settings_of(step)],
        }
        for step in STEPS.values()
    ]


def _step(given: Any, n: int) -> Step:
    if not isinstance(given, Mapping):
        raise UsageError(f"step {n} is no table of settings", hint="Begin it with [[step]].")
    settings = dict(given)
    do = settings.pop("do", None)
    if do is None:
        raise UsageError(f'step {n} does not say what to do: "do" is missing')
    if do not in STEPS:
        raise UsageError(f'step {n}: there is no step "{do}"', hint=nearest(str(do), STEPS))
    return build(STEPS[do], settings, f'step {n} ("{do}")')


def _from_line(line: str, n: int) -> dict[str, Any]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"step {n} cannot be read: {error}", where=line) from error
    if not words:
        raise UsageError(f"step {n} is empty")
    do, *rest = words
    given: dict[str, str] = {}
    for word in rest:
        key, equals, value = word.partition("=")
        if not equals:
            raise UsageError(
                f'step {n} ("{do}"): "{word}" is no setting',
                hint="Write KEY=VALUE, in quotes where there are spaces: where='age > 3'",
            )
        given[key] = value
    return {"do": do, **(from_words(STEPS[do], given) if do in STEPS else given)}
