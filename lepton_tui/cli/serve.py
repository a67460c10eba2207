"""`lepton serve MODEL…`: trained models behind HTTP."""

from __future__ import annotations

from importlib import import_module
from json import dumps, loads
from pathlib import Path
from typing import Any

import typer

from core.errors import UsageError
from core.memory import parse
from core.workspace import Workspace
from lepton_tui.cli.groups import RUNTIME, Command, single
from lepton_tui.cli.output import note, put, put_json

app = single()

WORDS = {
    "keys": "lepton_tui.cli.serve_keys:app",
    "ls": "lepton_tui.cli.serve_running:listing",
    "stop": "lepton_tui.cli.serve_running:stopping",
}


class Serve(Command):
    """A command of models, but for a few words, which are commands of their own.

    A model that is called so is named with its version: `keys@1`.
    """

    def make_context(
        self, info_name: Any, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        word = args[0] if args else ""
        if word not in WORDS:
            return super().make_context(info_name, args, parent, **extra)
        module, _, name = WORDS[word].partition(":")
        command: Any = typer.main.get_command(getattr(import_module(module), name))
        return command.make_context(f"{info_name} {word}", args[1:], parent, **extra)


@app.command(
    cls=Serve,
    epilog="What runs: lepton serve ls | stop [PORT]. Keys: lepton serve keys add NAME | ls |"
    " rm NAME. On any address but this machine's own a request needs one.",
)
def serve(
    *,
    models: list[str] = typer.Argument(
        None,
        metavar="MODEL…",
        help='Models: "name" (follows its newest version), "name@version", or a folder.',
    ),
    host: str = typer.Option("127.0.0.1", metavar="ADDRESS", help="Where to listen."),
    port: int = typer.Option(8000, min=0, max=65535, metavar="N", help="0 takes a free one."),
    canary: list[str] = typer.Option(
        None, metavar="NAME@V=SHARE", help="A version that gets a share of the requests."
    ),
    shadow: list[str] = typer.Option(
        None, metavar="NAME@V", help="A version that is asked too; only metrics hear its answers."
    ),
    require_key: bool = typer.Option(
        False, "--require-key", help="Ask for a key on this machine's own address too."
    ),
    insecure: bool = typer.Option(
        False, "--insecure", help="Ask nobody for a key, whoever can reach the address."
    ),
    allow_host: list[str] = typer.Option(
        None, metavar="NAME", help="A name by which it may be called."
    ),
    cert: Path = typer.Option(None, metavar="FILE", help="A TLS certificate, PEM."),
    key: Path = typer.Option(None, metavar="FILE", help="The certificate's private key, PEM."),
    rate: float = typer.Option(
        0.0, min=0, metavar="N", help="Requests a second of one key; 0: any."
    ),
    timeout: float = typer.Option(30.0, min=0.1, metavar="S", help="Seconds for an answer."),
    max_body: str = typer.Option("32MiB", metavar="SIZE", help="The largest body of a request."),
    max_rows: int = typer.Option(1024, min=1, metavar="N", help="The most rows of a request."),
    queue: int = typer.Option(256, min=1, metavar="N", help="Requests that may wait."),
    device: str = typer.Option("auto", metavar="NAME", help="cpu, cuda, cuda:1, mps or auto."),
    runtime: str = RUNTIME,
    detach: bool = typer.Option(
        False, "--detach", help="Serve in a process that outlives this terminal."
    ),
    openapi: bool = typer.Option(
        False,
        "--openapi",
        help="Print the OpenAPI document and serve nothing; without a MODEL, that of any service.",
    ),
    json: bool = typer.Option(False, "--json", help="Print the address as one JSON line."),
) -> None:
    """Serve models over HTTP until Ctrl-C, which lets requests finish first."""
    from core.serving import require_extra

    require_extra()
    from core.serving.asked import Asked
    from core.serving.openapi import Documents, any_service
    from core.serving.settings import Limits, Settings, is_loopback, needs_keys

    if not models:
        if not openapi:
            hint = "lepton models ls shows them. Usage: lepton serve MODEL… [OPTIONS]"
            raise UsageError("MODEL… is missing", where="lepton serve", hint=hint)
        _print_document(any_service())
        return
    workspace = Workspace.open()
    body = _bytes(max_body)
    limits = Limits(
        body=body, held=8 * body, rows=max_rows, seconds=timeout, waiting=queue, rate=rate
    )
    if (cert is None) != (key is None):
        raise UsageError("TLS needs a certificate and its key", hint="--cert FILE --key FILE")
    if insecure and require_key:
        raise UsageError("--insecure and --require-key contradict each other")
    needed = not insecure and needs_keys(host, wanted=require_key)
    settings = Settings(host, port, tuple(allow_host or ()), needed, cert, key, limits)
    asked = Asked(
        tuple(models), tuple(canary or ()), tuple(shadow or ()), settings, device, runtime
    )
    if openapi:
        _print_document(Documents(settings, asked.described(workspace)).json(None))
        return
    if insecure and not is_loopback(host):
        note(f"Everybody who reaches {host} can use these models, and is asked for no key.")
    (_detached if detach else _served)(workspace, asked, json=json)


def _served(workspace: Workspace, asked: Any, *, json: bool) -> None:
    """Serve until somebody asks for the end."""
    from core.inference.process import EngineProcess
    from core.serving.keys import Keys
    from core.serving.service import Service

    endpoints = asked.endpoints(workspace)

    def ready(address: str) -> None:
        if json:
            # One line, and not put_json's many: whoever started it reads on only so far.
            print(dumps({"address": address, "models": endpoints.names()}), flush=True)
        else:
            note(f"Serving {', '.join(endpoints.names())} on {address}; Ctrl-C ends it.")

    engine = EngineProcess(workspace, asked.device, runtime=asked.runtime)
    Service(asked.settings, endpoints, Keys(workspace), engine).run(ready)


def _detached(workspace: Workspace, asked: Any, *, json: bool) -> None:
    """Start a process that serves, and come back when it can be asked."""
    from core.serving.process import start

    running = start(workspace, asked)
    if json:
        put_json({"address": running.address, "models": running.models, "pid": running.pid})
        return
    put(f"Serving {', '.join(running.models)} on {running.address}")
    note(f"It goes on without this terminal. To end it: lepton serve stop {running.port}")


def _print_document(document: bytes) -> None:
    put_json(loads(document))


def _bytes(text: str) -> int:
    try:
        return parse(text)
    except ValueError:
        raise UsageError(f'--max-body: "{text}" is no size', hint="Write 32MiB or 1GB.") from None
