"""The engine's process: JSON lines in on standard input, JSON lines out on standard output.

A request is `{"id", "op", …}` and its reply carries the same id. `load` {model}, `predict` {model,
rows} and `augment` {words, kind, rows, epochs, seed} are done in order, `ping` too, so that its
reply says that all before it is done; `cancel` {request} takes effect at once. A reply is `{"id",
"result"}` or `{"id", "error": {what, where, hint, usage}}`. The process leaves when its standard
input closes, so it never outlives the one that asked for it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, BinaryIO

from core.errors import LeptonError, UsageError
from core.inference.messages import Row, packed, unpacked
from core.runs.priority import step_back
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.inference.engine import Engine

NICENESS = 5


class Server:
    """Takes requests from one stream in one thread and answers them, one by one, in another."""

    def __init__(self, settings: Mapping[str, Any], incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._settings = settings
        self._incoming = incoming
        self._outgoing = outgoing
        self._requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._cancelled: set[int] = set()
        self._engine: Engine | None = None

    def serve(self) -> None:
        """Until the incoming stream ends."""
        Thread(target=self._work, daemon=True).start()
        for line in self._incoming:
            request = json.loads(line)
            if request["op"] == "cancel":
                self._cancelled.add(request["request"])
            else:
                self._requests.put(request)

    def _work(self) -> None:
        while True:
            request = self._requests.get()
            reply = {"id": request["id"], **self._reply(request)}
            self._cancelled.discard(request["id"])
            self._outgoing.write(json.dumps(reply).encode() + b"\n")
            self._outgoing.flush()

    def _reply(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            return {"result": self._do(request)}
        except LeptonError as error:
            return {"error": {**error.to_json(), "usage": isinstance(error, UsageError)}}
        except Exception as error:
            traceback.print_exc()
            what = f"the engine failed: {type(error).__name__}: {error}"
            return {"error": {"what": what, "where": "", "hint": "", "usage": False}}

    def _do(self, request: Mapping[str, Any]) -> Any:
        if request["op"] == "ping":
            return os.getpid()
        if request["op"] == "augment":
            return self._augment(request)
        if self._engine is None:
            from core.inference.engine import Engine

            workspace = Workspace(Path(self._settings["home"]))
            self._engine = Engine(
                workspace,
                self._settings["device"],
                cache_bytes=self._settings["cache_bytes"],
                threads=self._settings["threads"],
            )
        if request["op"] == "load":
            with self._engine.use(request["model"]) as model:
                return {"path": str(model.folder.path), "bytes": model.bytes}
        if request["op"] == "predict":
            rows = [Row.from_json(row) for row in request["rows"]]
            done = self._engine.predict(
                request["model"], rows, stop=lambda: request["id"] in self._cancelled
            )
            return [answer.to_json() for answer in done]
        raise LeptonError(f"the engine knows no request {request['op']!r}")

    def _augment(self, request: Mapping[str, Any]) -> list[Any]:
        from core.augmentation.examples import examples
        from core.augmentation.written import read

        rows = [(row, unpacked(cell)) for row, cell in request["rows"]]
        words, kind = read(request["words"]), request["kind"]
        made = examples(words, kind, rows, request["epochs"], request["seed"])
        return [packed(each.to_json()) for each in made]


def main() -> None:
    """Serve on the standard streams; `argv[1]` holds the settings as JSON."""
    outgoing = os.fdopen(os.dup(1), "wb")
    # Whatever else is printed, by Python or by a library in C, goes to the log, not into a reply.
    os.dup2(2, 1)
    step_back(NICENESS)
    settings = json.loads(sys.argv[1])
    Server(settings, sys.stdin.buffer, outgoing).serve()
    # At once, even in the middle of an answer: nobody is there to read it.
    os._exit(0)


if __name__ == "__main__":
    main()
