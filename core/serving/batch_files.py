"""Batch files in OpenAI's form: a request a line, and a result a line in the same order.

Results are written beside their file until all are there. A call that was killed is gone on with by
the next one that asks the same: whole lines are kept, a torn one is cut off.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from pydantic_core import from_json, to_json

from core.atomic import sync_path
from core.data.exporting.place import check_place
from core.errors import LeptonError, UsageError
from core.flock import locked
from core.serving.batch_handlers import Finish, Handler
from core.serving.problems import Refused, document, refusal

AHEAD, AHEAD_BYTES = 64, 32 << 20
"""Lines that are before the engine at once, and how many bytes of them."""
LONGEST = 32 << 20
"""Bytes of one line."""
_FIELDS = ("custom_id", "method", "url", "body")


@dataclass(frozen=True)
class Counts:
    """Requests with a result, those of them that failed, and those that an earlier call did."""

    done: int = 0
    failed: int = 0
    before: int = 0


class BadLine(LeptonError):  # noqa: N818 - it is a result
    """A line that is no request: `code` is for programs, `custom_id` known where it has one."""

    def __init__(self, code: str, what: str, custom_id: str | None = None) -> None:
        super().__init__(what)
        self.code = code
        self.custom_id = custom_id


def answer_file(
    requests: Path,
    out: Path,
    handlers: Mapping[str, Handler],
    *,
    replace: bool = False,
    progress: Callable[[Counts], None] = lambda counts: None,
) -> Counts:
    """Answer every line of a file of requests into a file of results.

    A line that is no request, or that cannot be answered, fails alone: its result says why.

    Raises:
        UsageError: there are no requests, the results' file is there already, or cannot be.
        LeptonError: it cannot be written, or another process is at it.
    """
    if not requests.is_file():
        raise UsageError("no such file", where=str(requests))
    check_place(out, replace=replace)
    try:
        part = out.with_name(f".{out.name}.{_digest(requests, handlers)}.part")
        with part.open("ab+") as results:
            if not locked(results):
                raise LeptonError("another process is at these requests", where=str(out))
            counts = _whole(results)
            with requests.open("rb") as lines:
                counts = _answer(lines, results, handlers, counts, progress)
            if not counts.done:
                part.unlink()
                raise UsageError("there are no requests", where=str(requests))
            sync_path(part)
            part.replace(out)
            sync_path(out.parent)
    except OSError as error:
        raise LeptonError(
            f"it cannot be written: {error.strerror or error}",
            where=str(out),
            hint="Ask the same again once there is room: it goes on where it was.",
        ) from error
    return counts


def _answer(
    lines: IO[bytes],
    results: IO[bytes],
    handlers: Mapping[str, Handler],
    counts: Counts,
    progress: Callable[[Counts], None],
) -> Counts:
    waiting: deque[tuple[int, _Begun]] = deque()
    held = 0

    def write() -> None:
        nonlocal counts, held
        size, begun = waiting.popleft()
        held -= size
        result, failed = begun.result()
        results.write(to_json(result, inf_nan_mode="null") + b"\n")
        results.flush()
        counts = Counts(counts.done + 1, counts.failed + failed, counts.before)
        progress(counts)

    for at, (number, line) in enumerate(_lines(lines)):
        if at < counts.before:
            continue
        while waiting and (len(waiting) >= AHEAD or held + len(line) > AHEAD_BYTES):
            write()
        waiting.append((len(line), _begin(number, line, handlers)))
        held += len(line)
    while waiting:
        write()
    return counts


@dataclass(frozen=True)
class _Begun:
    """A request that is at work, or the fault that it has; `url` says in which form it is told."""

    custom_id: str | None
    url: str
    finish: Finish | None
    fault: LeptonError | None = None

    def result(self) -> tuple[dict[str, Any], bool]:
        """Its line, and whether it failed."""
        request = f"req_{uuid4().hex}"
        error = status = body = None
        if isinstance(self.fault, BadLine):
            error = {"code": self.fault.code, "message": self.fault.what}
        else:
            try:
                if self.finish is None:
                    raise self.fault or AssertionError
                status, body = 200, self.finish()
            except LeptonError as fault:
                refused: Refused = refusal(fault)
                status, body = refused.status, document(refused, self.url, request)
        response = {"status_code": status, "request_id": request, "body": body}
        return {
            "id": f"batch_req_{uuid4().hex}",
            "custom_id": self.custom_id,
            "response": None if error else response,
            "error": error,
        }, status != 200


def _begin(number: int, line: bytes, handlers: Mapping[str, Handler]) -> _Begun:
    custom_id, url = None, ""
    try:
        asked = _request(number, line, handlers)
        custom_id, url = asked["custom_id"], asked["url"]
        return _Begun(custom_id, url, handlers[url](asked["body"]))
    except BadLine as fault:
        return _Begun(fault.custom_id, url, None, fault)
    except LeptonError as fault:
        return _Begun(custom_id, url, None, fault)


def _request(number: int, line: bytes, handlers: Mapping[str, Handler]) -> dict[str, Any]:
    """The request of a line.

    Raises:
        BadLine: it is none, or none that is answered here.
    """
    place = f"line {number}"
    if len(line) > LONGEST:
        raise BadLine("line_too_long", f"{place}: it has more than {LONGEST:,} bytes")
    try:
        asked = from_json(line)
    except ValueError as error:
        raise BadLine("invalid_json", f"{place}: broken JSON: {error}") from None
    if not isinstance(asked, dict):
        raise BadLine("invalid_request", f"{place}: this is no JSON object")
    named = asked.get("custom_id")
    custom_id = named if isinstance(named, str) and named else None
    missing = [field for field in _FIELDS if field not in asked]
    wrong = ""
    if missing:
        wrong = f"{', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing"
    elif custom_id is None:
        wrong = "custom_id is no text"
    elif asked["method"] != "POST":
        wrong = "method is not POST"
    elif not isinstance(asked["body"], dict):
        wrong = "body is no JSON object"
    if wrong:
        raise BadLine("invalid_request", f"{place}: {wrong}", custom_id)
    if not isinstance(asked["url"], str) or asked["url"] not in handlers:
        told = f"{place}: {json.dumps(asked['url'])[:200]} is not answered here"
        raise BadLine("invalid_url", f"{told}. There is: {next(iter(handlers))}", custom_id)
    return asked


def _lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers; of one that is too long its beginning."""
    number = 0
    while line := file.readline(LONGEST + 1):
        number += 1
        rest = line
        while len(rest) > LONGEST and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST + 1)
        if line.strip():
            yield number, line


def _digest(requests: Path, handlers: Mapping[str, Handler]) -> str:
    """What results belong to: the same requests of the same model."""
    with requests.open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
    found.update("\n".join(handlers).encode())
    return found.hexdigest()[:16]


def _whole(results: IO[bytes]) -> Counts:
    """What an earlier call has done; a torn line is cut off."""
    done = failed = size = 0
    results.seek(0)
    for line in results:
        if not line.endswith(b"\n"):
            break
        size += len(line)
        done += 1
        response = from_json(line)["response"]
        failed += response is None or response["status_code"] != 200
    results.truncate(size)
    return Counts(done, failed, done)
