"""A service in a process of its own, which outlives the terminal it was started from.

`start` is for whoever wants one; `main` is what runs in it. Its log is a file that is renewed when
it has grown, since nobody is there to read it away.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from uuid import uuid4

from core.errors import LeptonError
from core.runs.detached import detached
from core.serving import require_extra
from core.serving.asked import Asked
from core.serving.running import Running, Services
from core.workspace import Workspace

LOG_BYTES = 16 << 20
OLD_LOGS = 1
KEPT_LOGS = 8
"""Logs of services that have ended."""
FAILED = "failed"
"""The last event of a log whose service could not be."""
_POLL = 0.05
_TAIL = 1 << 16


def start(workspace: Workspace, asked: Asked) -> Running:
    """Start a service and wait until it can be asked.

    Raises:
        UsageError: a model is not there, the address is taken, or there is no key.
        LeptonError: a model cannot be loaded, or the process ended.
    """
    require_extra()
    services = Services(workspace)
    _tidy(services)
    service = uuid4().hex[:12]
    path = services.folder / f"{service}.log"
    words = [str(workspace.home), service, json.dumps(asked.to_json())]
    with path.open("ab") as log:
        process = detached(
            "core.serving.process",
            words,
            folder=services.folder,
            log=log.fileno(),
            name=f"service {service}",
        )
    try:
        return _ready(services, service, process, path)
    except BaseException:
        # Who does not wait any more knows of no service that he would have to stop.
        process.terminate()
        raise


def _ready(
    services: Services, service: str, process: subprocess.Popen[bytes], log: Path
) -> Running:
    while process.poll() is None:
        for running in services.list():
            # One that has no time to say how it does, as it loads a model, is asked again.
            with suppress(LeptonError):
                if running.id == service and running.look()["ready"]:
                    return running
        time.sleep(_POLL)
    raise _failure(log)


def _failure(log: Path) -> LeptonError:
    """Why a service is not there, by the last line of its log."""
    lines = _tail(log).splitlines()
    for line in reversed(lines):
        with suppress(ValueError):
            told = json.loads(line)
            if told.get("event") == FAILED:
                return LeptonError.from_json(told["error"])
    last = f"; it last printed: {lines[-1].strip()}" if lines else ""
    return LeptonError(f"the service ended before it could be asked{last}", where=str(log))


def _tail(path: Path) -> str:
    with path.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL))
        return log.read().decode("utf-8", "replace")


def _tidy(services: Services) -> None:
    """Let the logs of services that ended long ago go."""
    alive = {path.stem for path in services.folder.glob("*.json")}
    logs = [path for path in services.folder.glob("*.log") if path.stem not in alive]
    for path in sorted(logs, key=lambda each: each.stat().st_mtime)[:-KEPT_LOGS]:
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink(missing_ok=True)


def _renewed(path: Path) -> Callable[[str], None]:
    """Writes lines to a file, and begins another one when it has grown."""
    handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=OLD_LOGS)
    handler.terminator = ""

    def write(text: str) -> None:
        handler.emit(logging.makeLogRecord({"msg": text}))

    return write


def main(home: str, service: str, asked: str) -> int:
    """Serve until somebody asks for the end; why it could not be is the log's last line."""
    from core.inference.process import EngineProcess
    from core.serving.keys import Keys
    from core.serving.log import Log
    from core.serving.service import Service

    workspace, wanted = Workspace(Path(home)), Asked.from_json(json.loads(asked))
    path = Services(workspace).folder / f"{service}.log"
    log = Log(_renewed(path))
    try:
        Service(
            wanted.settings,
            wanted.endpoints(workspace),
            Keys(workspace),
            EngineProcess(workspace, wanted.device, runtime=wanted.runtime),
            log=log,
            name=service,
            log_path=path,
        ).run(lambda address: log.say("serving", address=address))
    except LeptonError as error:
        log = Log(_renewed(path))
        log.say(FAILED, error=error.to_json())
        log.close()
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
