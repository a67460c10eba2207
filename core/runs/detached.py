"""Processes that outlive the terminal they were started from."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.devices import WITH_TORCH
from core.errors import LeptonError
from core.growth import spare


def detached(
    module: str,
    words: Sequence[str],
    *,
    folder: Path,
    log: int,
    name: str,
    variables: Mapping[str, str] | None = None,
    keeps: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start one of our modules in a session of its own, in this folder.

    What it prints goes into the open file `log`; the descriptors in `keeps` stay open in it. It
    leaves no zombie behind, however long this process lives.

    Raises:
        LeptonError: no process can be started.
    """
    environment = {
        **WITH_TORCH,
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        **(variables or {}),
    }
    if "PYTHONPATH" in os.environ:
        # The process lives in another folder, where a relative entry would mean something else.
        entries = filter(None, os.environ["PYTHONPATH"].split(os.pathsep))
        environment["PYTHONPATH"] = os.pathsep.join(str(Path(e).absolute()) for e in entries)
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=tuple(keeps),
        )
    except OSError as error:
        raise LeptonError(f"no process can be started: {error.strerror}") from error
    spare(process.pid)
    # The app may live for weeks.
    threading.Thread(target=process.wait, name=f"reap {name}", daemon=True).start()
    return process
