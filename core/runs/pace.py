"""How far a job is, told often enough for a person and no more often."""

from __future__ import annotations

import time

from core.runs.job import Job

RECORD_SECONDS = 0.25


class Pace:
    """Records "step" events of a job that `before` had done so much of when this process began."""

    def __init__(self, job: Job, before: int = 0) -> None:
        self._job = job
        self._before = before
        self._began = self._recorded = time.monotonic()

    def tell(self, done: int, total: int) -> None:
        """Record that so much of it is done, unless that was said a moment ago."""
        now = time.monotonic()
        if now - self._recorded < RECORD_SECONDS and done != total:
            return
        self._recorded = now
        speed = round((done - self._before) / max(1e-9, now - self._began), 1)
        self._job.emit("step", step=done, steps=total, examples_per_second=speed)
