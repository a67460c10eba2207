"""What the lines of a batch file can ask for: a handler for each URL.

A handler is given a line's body and begins the work; what it returns waits for it and gives the
document that the service would have answered with. So many lines are before the engine at once, and
another kind of request needs nothing but a handler of its own here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, TypeAlias

from core.inference.faults import Busy, EngineEnded
from core.inference.messages import Answer, Row
from core.inference.process import EngineProcess
from core.serving.endpoints import Deployed
from core.serving.predict_routes import predictions

Finish: TypeAlias = Callable[[], dict[str, Any]]
Handler: TypeAlias = Callable[[Mapping[str, Any]], Finish]

_TRIES = 5
"""How often the same rows are asked where the engine ends each time."""


def handlers(deployed: Deployed, engine: EngineProcess) -> dict[str, Handler]:
    """The URLs that a model answers; raises of both steps: Refused, LeptonError."""
    predict = _predict(deployed, engine)
    return {f"/v1/models/{name}:predict": predict for name in (deployed.name, deployed.ref)}


def _predict(deployed: Deployed, engine: EngineProcess) -> Handler:
    def begin(body: Mapping[str, Any]) -> Finish:
        rows = deployed.form.rows(body)
        asked = engine.submit(deployed.ref, rows)
        return lambda: predictions(deployed, _patiently(engine, deployed.ref, rows, asked))

    return begin


def _patiently(
    engine: EngineProcess, ref: str, rows: list[Row], asked: Future[list[Answer]]
) -> list[Answer]:
    """The answers; rows that the engine was at work on when it ended are asked again."""
    for left in reversed(range(_TRIES)):
        try:
            return asked.result()
        except (EngineEnded, Busy):
            if not left:
                raise
            asked = engine.submit(ref, rows)
    raise AssertionError
