"""What is known of one request while it is worked on."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from core.serving.keys import Key
from core.serving.problems import Refused

CALL = "lepton.call"


@dataclass
class Call:
    """One request. `deadline` is in the event loop's time."""

    id: str
    deadline: float
    key: Key | None = None
    route: str = "none"
    model: str = ""
    version: str = ""
    hurried: bool = False
    """Whether the client has named a deadline of its own."""
    rows: int | None = None
    bytes: int = 0
    """Of its body, as far as it has come."""
    error: str | None = None
    """What only the log is to say of a failure."""
    trace: str | None = None
    began: float = field(default_factory=time.perf_counter)

    def left(self) -> float:
        """Seconds until its deadline."""
        return self.deadline - asyncio.get_running_loop().time()

    def meant(self, route: str, model: str = "", version: str = "") -> None:
        """Say what it is for. All three come from closed sets."""
        self.route, self.model, self.version = route, model, version

    def may(self, model: str) -> None:
        """Whether its key is for this model.

        Raises:
            Refused: it is not.
        """
        if self.key is not None and not self.key.may("infer", model):
            raise Refused(403, "the key is not for this model", where=model)


def call_of(request: Request) -> Call:
    call: Any = request.scope[CALL]
    assert isinstance(call, Call)
    return call
