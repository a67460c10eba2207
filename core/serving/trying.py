"""A request tried by hand: what a person types made a request, its `curl` line, and its answer."""

from __future__ import annotations

import json
import mimetypes
import shlex
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import LeptonError, UsageError
from core.inference.messages import Row, contents, packed
from core.serving.bodies import BYTES, RAW
from core.serving.forms import MEDIA, Form
from core.serving.replies import JSON
from core.serving.running import Running
from core.workspace import written_path

KEY_VARIABLE = "LEPTON_KEY"
"""What stands for a key in a `curl` line: a key itself would stay in the shell's history."""
SECONDS = 60.0


@dataclass(frozen=True)
class Reply:
    """What came back: a status, the request's id, and the document."""

    status: int
    id: str
    seconds: float
    document: Any


@dataclass(frozen=True)
class Trial:
    """One request to a model of a service that runs."""

    url: str
    kind: str
    """The type of its body."""
    body: bytes | Path
    keys: bool
    certificate: str | None

    def curl(self) -> str:
        """The command line that does the same."""
        words = ["curl", self.url]
        if self.certificate:
            words += ["--cacert", self.certificate]
        header = f" -H 'Authorization: Bearer '\"${KEY_VARIABLE}\"" if self.keys else ""
        kind = ["-H", f"Content-Type: {self.kind}"]
        body = f"@{self.body}" if isinstance(self.body, Path) else self.body.decode()
        return f"{shlex.join(words)}{header} {shlex.join([*kind, '--data-binary', body])}"

    def send(self, key: str = "") -> Reply:
        """Ask, and wait for the answer, whatever its status is.

        Raises:
            UsageError: the file cannot be read.
            LeptonError: the service cannot be reached.
        """
        import httpx2

        headers = {"Content-Type": self.kind}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        content = contents(self.body) if isinstance(self.body, Path) else self.body
        began = time.perf_counter()
        try:
            # A proxy of the machine's is not the way to a service of the same machine.
            with httpx2.Client(verify=self._trusted(), trust_env=False, timeout=SECONDS) as client:
                reply = client.post(self.url, content=content, headers=headers)
        except (httpx2.TransportError, OSError) as error:
            raise LeptonError(
                f"the service cannot be reached: {error}", where=self.url, hint="lepton serve ls"
            ) from error
        seconds = time.perf_counter() - began
        try:
            document = reply.json()
        except ValueError:
            document = reply.text
        return Reply(reply.status_code, reply.headers.get("x-request-id", ""), seconds, document)

    def _trusted(self) -> ssl.SSLContext | bool:
        """The service's own certificate and no other; by whichever name, for it is asked by its
        address."""
        if self.certificate is None:
            return True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.certificate)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


def trial(running: Running, name: str, form: Form, cells: Mapping[str, str]) -> Trial:
    """The request that asks a model of a service about the cells that a person typed.

    An empty cell is one that is missing. A cell of a file is its path. Where rows are answered
    together, a cell lists its steps, separated by commas.

    Raises:
        UsageError: a cell does not fit its column.
    """
    url = f"{running.address}/v1/models/{name}:predict"
    if form.alone and form.medium in MEDIA:
        path = written_path(cells[form.alone]).absolute()
        if not cells[form.alone] or not path.is_file():
            raise UsageError("there is no such file", where=cells[form.alone] or form.alone)
        kind = mimetypes.guess_type(path.name)[0]
        sent = kind if kind in RAW[form.medium] else BYTES
        return Trial(url, sent or BYTES, path, running.keys, running.certificate)
    row = {column: _cell(column, kind, form, cells[column]) for column, kind in form.takes.items()}
    body = {"instances": [row]}
    form.rows(body)
    text = json.dumps(body, ensure_ascii=False, separators=(", ", ": "))
    return Trial(url, JSON, text.encode(), running.keys, running.certificate)


def typed(row: Row) -> dict[str, str]:
    """The cells of a row as a person would type them; a file's bytes cannot be typed."""
    return {name: _typed(value) for name, value in row.values.items()}


def _typed(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_typed, value))
    return "" if value is None or isinstance(value, bytes) else str(packed(value))


def _cell(column: str, kind: str, form: Form, cell: str) -> Any:
    if not form.task.gathers:
        return _value(column, kind, cell)
    return [_value(column, kind, each.strip()) for each in cell.split(",")]


def _value(column: str, kind: str, cell: str) -> Any:
    """A cell as JSON has it.

    Raises:
        UsageError: it is no number where one belongs.
    """
    if kind == "text":
        return cell
    if not cell:
        return None
    if kind != "number":
        return cell
    try:
        number = float(cell)
    except ValueError:
        raise UsageError(f'"{cell[:40]}" is no number', where=column) from None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
