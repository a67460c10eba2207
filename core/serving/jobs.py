"""Batch jobs: many rows sent at once, answered when there is time, fetched when they are done.

A job is a folder: `job.json`, the rows that came, and an answer a line. Rows are read and answered
a part at a time, so a job's size is a matter of disk, and one that a restart interrupted goes on
after its last whole line.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from shutil import rmtree
from typing import Any
from uuid import uuid4

from pydantic_core import to_json

from core.atomic import write_json
from core.errors import LeptonError
from core.flock import locked
from core.inference.messages import Answer, Row, in_text
from core.serving.answering import Answering
from core.serving.endpoints import Endpoints
from core.serving.forms import Form, fault_of
from core.serving.log import Log
from core.serving.problems import Refused, refusal, retry_after
from core.workspace import Workspace

PART = 256
"""Rows that are asked together."""
MOST = 200
"""Jobs that are kept."""
KEPT = 7 * 86_400.0
"""Seconds that a job's answers can be fetched."""
WAITING, RUNNING, FINISHED, FAILED = "queued", "running", "finished", "failed"
_ID = re.compile(r"[0-9a-f]{32}")
_FACTS, _ROWS, _RESULTS, _LOCK = "job.json", "rows.jsonl", "results.jsonl", "lock"


@dataclass(frozen=True)
class Job:
    """What is known of a job. Times are seconds since 1970; `owner` begins a key, or is empty."""

    id: str
    model: str
    version: int | None
    owner: str
    rows: int
    created: float
    status: str = WAITING
    done: int = 0
    failed: int = 0
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a client sees it."""
        shown = {name: value for name, value in asdict(self).items() if name != "owner"}
        return {"object": "batch", **shown}


class Jobs:
    """The jobs of a workspace's services, worked on one after the other."""

    def __init__(
        self, workspace: Workspace, endpoints: Endpoints, answering: Answering, log: Log
    ) -> None:
        self._home = workspace.home / "batches"
        self._endpoints = endpoints
        self._answering = answering
        self._log = log
        self._known: dict[str, Job] = {}
        self._locks: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._working: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Go on with what there is."""
        self._home.mkdir(exist_ok=True)
        for path in self._home.glob(f"*/{_FACTS}"):
            try:
                job = Job(**json.loads(path.read_text()))
            except (OSError, ValueError, TypeError):
                continue
            if job.model in self._endpoints.names() and self._lock(job.id):
                self._known[job.id] = job
        self._forget_old()
        self._working = asyncio.get_running_loop().create_task(self._work())

    def close(self) -> None:
        if self._working is not None:
            self._working.cancel()

    async def add(self, model: str, version: int | None, owner: str, rows: Sequence[Row]) -> Job:
        """Keep the rows and put them into the queue.

        Raises:
            Refused: there are too many jobs.
        """
        self._forget_old()
        if len(self._known) >= MOST:
            what = f"there are {MOST} jobs already"
            raise Refused(429, what, hint="Remove old ones.", headers=retry_after(60))
        job = Job(uuid4().hex, model, version, owner, len(rows), time.time())
        folder = self._home / job.id
        folder.mkdir(mode=0o700)
        self._lock(job.id)
        await asyncio.to_thread(_write_rows, folder / _ROWS, rows)
        self._keep(job)
        self._wake.set()
        return job

    def list(self, owner: str) -> list[Job]:
        """The jobs of a key, the newest first."""
        found = [job for job in self._known.values() if job.owner == owner]
        return sorted(found, key=lambda job: -job.created)

    def get(self, job_id: str, owner: str) -> Job:
        """Raises Refused where there is none of that key's."""
        job = self._known.get(job_id) if _ID.fullmatch(job_id) else None
        if job is None or job.owner != owner:
            raise Refused(404, "there is no such batch")
        return job

    def results(self, job: Job) -> Path:
        """Where its answers are, a JSON object a line.

        Raises:
            Refused: it is not finished, or has failed.
        """
        if job.status == FAILED:
            raise Refused(409, f"the batch has failed: {job.error}")
        if job.status != FINISHED:
            told = f"{job.done:,} of {job.rows:,} rows are answered"
            raise Refused(409, f"the batch is not finished: {told}", headers=retry_after(1))
        return self._home / job.id / _RESULTS

    def remove(self, job: Job) -> None:
        """Stop it, if it is at work, and forget what came and was answered."""
        self._known.pop(job.id, None)
        rmtree(self._home / job.id, ignore_errors=True)
        os.close(self._locks.pop(job.id))

    def _lock(self, job_id: str) -> bool:
        """Whether the job is this service's from now on; another one of this workspace may have
        it."""
        lock = os.open(self._home / job_id / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not locked(lock):
            os.close(lock)
            return False
        self._locks[job_id] = lock
        return True

    async def _work(self) -> None:
        while True:
            self._wake.clear()
            left = [job for job in self._known.values() if job.status in (WAITING, RUNNING)]
            if not left:
                await self._wake.wait()
                continue
            job = min(left, key=lambda job: job.created)
            try:
                await self._do(job)
            except Exception as error:
                # One job's trouble is not the next one's.
                told = refusal(error).what if isinstance(error, LeptonError) else "a fault here"
                self._log.say("batch_failed", id=job.id, error=str(error))
                if job.id in self._known:
                    self._keep(replace(self._known[job.id], status=FAILED, error=told))

    async def _do(self, job: Job) -> None:
        folder = self._home / job.id
        deployed = self._endpoints.exactly(job.model, job.version)
        written = folder / _RESULTS
        done, failed = await asyncio.to_thread(_whole_lines, written)
        job = self._keep(replace(job, status=RUNNING, done=done, failed=failed))
        with (folder / _ROWS).open(encoding="utf-8") as rows:
            lines = islice(rows, done, None)
            while part := await asyncio.to_thread(_next_part, lines):
                answers = await self._answering.ask_patiently(deployed, part)
                if job.id not in self._known:
                    return
                failed = sum(not answer.ok for answer in answers)
                await asyncio.to_thread(_write_answers, written, job.done, answers, deployed.form)
                job = replace(job, done=job.done + len(answers), failed=job.failed + failed)
                self._known[job.id] = job
        self._keep(replace(job, status=FINISHED))

    def _keep(self, job: Job) -> Job:
        self._known[job.id] = job
        write_json(self._home / job.id / _FACTS, asdict(job))
        return job

    def _forget_old(self) -> None:
        for job in list(self._known.values()):
            if time.time() - job.created > KEPT:
                self.remove(job)


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    with path.open("wb") as out:
        for row in rows:
            out.write(json.dumps(row.to_json(), default=in_text).encode() + b"\n")


def _next_part(lines: Iterator[str]) -> list[Row]:
    return [Row.from_json(json.loads(line)) for line in islice(lines, PART)]


def _write_answers(path: Path, first: int, answers: Sequence[Answer], form: Form) -> None:
    with path.open("ab") as out:
        for at, answer in enumerate(answers, first):
            said: Mapping[str, Any] = {"row": at, "output": answer.output}
            if answer.error is not None:
                said = {**said, "error": fault_of(answer.error, form)}
            out.write(to_json(said, inf_nan_mode="null") + b"\n")


def _whole_lines(path: Path) -> tuple[int, int]:
    """The answers that are there already, and how many of them are none; a torn line is cut off."""
    if not path.exists():
        return 0, 0
    done = failed = size = 0
    with path.open("rb+") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            size += len(line)
            done += 1
            failed += b'"error":' in line and "error" in json.loads(line)
        file.truncate(size)
    return done, failed
