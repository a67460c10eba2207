"""What a step of a recipe is: a frozen dataclass whose fields are its settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from core.settings import Configured

if TYPE_CHECKING:
    from core.data.cleaning.sheet import Sheet

Learned = dict[str, Any]
"""What a step learned from rows, in JSON's own types, so that it can be kept with a version."""


@dataclass(frozen=True)
class Step(Configured):
    """One step."""

    do: ClassVar[str]
    help: ClassVar[str]
    typed_sql: ClassVar[bool] = False
    """Whether a person's SQL is in it, so that it has to run behind a lock."""

    def learn(self, sheet: Sheet) -> Learned:
        """What has to be known of the rows before they can be changed."""
        return {}

    def run(self, sheet: Sheet, learned: Learned) -> None:
        """Change the sheet, and say in `sheet.did` what was done."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        return {"do": self.do, **self.settings()}
