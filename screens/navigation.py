"""The modes, and what a screen may ask of the app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from core.inference.process import EngineProcess


@dataclass(frozen=True)
class Mode:
    """One top-level area of the app."""

    name: str
    key: str
    title: str
    summary: str


MODES = (
    Mode("home", "1", "Home", "What is here, what is running, what to do next"),
    Mode("data", "2", "Data", "Bring in data sets and look at their rows"),
    Mode("train", "3", "Train", "Start a run and watch it learn"),
    Mode("evaluate", "4", "Evaluate", "Judge a model on rows it never saw"),
    Mode("infer", "5", "Infer", "Try a model on a row, a file or a text"),
    Mode("models", "6", "Models", "The models that training made"),
    Mode("serve", "7", "Serve", "The services that run, and what they are asked"),
)


class Studio(Protocol):
    """The app as the screens see it."""

    @property
    def engine(self) -> EngineProcess:
        """The process that holds torch for the app; it starts when it is first asked something."""

    def visit(self, mode: str, **context: Any) -> None:
        """Go to a mode, carrying what the person was looking at (`dataset=`, `run=`, `model=`)."""
