"""Why the engine leaves a request unanswered although the request was well."""

from __future__ import annotations

from core.errors import LeptonError
from core.generation.sampling import TOO_LONG, TooLong


class Busy(LeptonError):  # noqa: N818 - it is a state of the engine's
    """More rows wait than the queue may hold; `seconds` is when to ask again."""

    def __init__(self, what: str, *, where: str = "", hint: str = "", seconds: float = 1.0) -> None:
        super().__init__(what, where=where, hint=hint)
        self.seconds = seconds

    def to_json(self) -> dict[str, str]:
        return super().to_json() | {"kind": "busy", "seconds": f"{self.seconds:g}"}


class EngineEnded(LeptonError):  # noqa: N818
    """The engine's process ended while it was at work; it starts anew at the next request."""


def as_error(error: Exception, what: str) -> LeptonError:
    """What a person hears of it: `what` did not go, unless the error says so itself."""
    if isinstance(error, LeptonError):
        return error
    return LeptonError(f"{what}: {error or type(error).__name__}")


def fault(error: dict[str, str]) -> LeptonError:
    """The error as its `to_json` wrote it."""
    words = {name: error.get(name, "") for name in ("where", "hint")}
    if error.get("kind") == "busy":
        return Busy(error["what"], **words, seconds=float(error["seconds"]))
    if error.get("why") == TOO_LONG:
        return TooLong(error["what"], **words)
    return LeptonError.from_json(error)
