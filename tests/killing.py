"""Processes that are killed at their work."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Event
from typing import Any

READY = 120.0
spawn = mp.get_context("spawn")


def kill_amid(work: Callable[..., None], *given: Any, after: Event, seconds: float) -> None:
    """Do `work(*given)` in a process of its own, and kill it so long after `after` is set."""
    process = spawn.Process(target=work, args=given)
    process.start()
    assert after.wait(READY)
    # Not a wait for something to be done: the moment of death is what is being varied.
    process.join(seconds)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join()
