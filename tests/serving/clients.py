"""What the tests of both clients share: a guarded service with the models of the READMEs, and a
server that streams as a chat does."""

from __future__ import annotations

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.csv

from core.data.lake.lake import Lake
from core.serving.keys import Keys
from core.workspace import Workspace
from tests.inference.conftest import digits, learn, png, publish
from tests.serving.conftest import Running, Start

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"
PLACEHOLDERS = ("http://127.0.0.1:8000", "lep_…")


def penguins_and_digits(folder: Path) -> Workspace:
    """A workspace with the models that the READMEs ask."""
    made = Workspace.open(folder)
    table = pyarrow.csv.read_csv(ROOT / "sample_data" / "tabular" / "penguins.csv")
    lake = Lake(made)
    lake.commit("penguins", table, op="import", target="species")
    lake.commit("digits", digits(), op="import", target="label", media={"image": "image"})
    publish(made, learn(made, "penguins"), "penguins_mlp")
    publish(made, learn(made, "digits"), "mnist-sample_cnn")
    return made


def guarded(start: Start, home: Workspace) -> tuple[Running, str]:
    """A service that wants a key, and the key."""
    token, _ = Keys(home).add("reader")
    models = ("penguins_mlp", "mnist-sample_cnn")
    return start(*models, "--require-key", where=home.home, alone=True), token


def readme(language: str, fence: str, address: str, token: str) -> str:
    """The code of a client's README, with a real address and key in it."""
    text = (CLIENTS / language / "README.md").read_text("utf-8")
    code = "\n".join(re.findall(rf"```{fence}\n(.*?)```", text, flags=re.DOTALL))
    for placeholder, real in zip(PLACEHOLDERS, (address, token), strict=True):
        assert placeholder in code
        code = code.replace(placeholder, real)
    return code


def digit(folder: Path) -> None:
    (folder / "digit.png").write_bytes(png(1))


def done(*words: str | Path, **more: object) -> str:
    """What a command prints, where it ends well."""
    ended = subprocess.run(words, capture_output=True, text=True, check=False, **more)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


WHOLE = (
    b": a comment\n\n"
    b'data: {"text": "one\\u2028 and \xe2\x80\xa8 raw"}\n\n'
    b'event: piece\r\ndata: {"text":\r\ndata:  "two"}\r\n\r\n'
    b"data: [DONE]\n\n"
    b'data: {"text": "after the end"}\n\n'
)
BROKEN = b'data: {"text": "one"}\n\ndata: {"text": "tw'
FAILED = b'data: {"text": "one"}\n\ndata: {"error": {"message": "the engine ended"}}\n\n'
REFUSED = b'{"error": {"message": "a key is needed"}}'


class _Chat(BaseHTTPRequestHandler):
    """Streams a path's events, a few bytes at a time, so that they are cut anywhere."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        paths = {"/whole": WHOLE, "/broken": BROKEN, "/failed": FAILED}
        events = paths.get(self.path)
        self.send_response(401 if events is None else 200)
        self.send_header("content-type", "text/event-stream" if events else "application/json")
        self.end_headers()
        for at in range(0, len(events or REFUSED), 3):
            self.wfile.write((events or REFUSED)[at : at + 3])
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def chat() -> Iterator[str]:
    """The address of a server that streams."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Chat) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
