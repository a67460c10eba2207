"""`lepton serve MODEL…`: trained models behind HTTP."""

from __future__ import annotations

from json import dumps, loads
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from core.errors import UsageError
from core.memory import parse
from core.workspace import Workspace
from lepton_tui.cli.groups import Command, single
from lepton_tui.cli.output import note, put_json

if TYPE_CHECKING:
    from core.serving.endpoints import Endpoints

app = single()

KEYS = "keys"


class Serve(Command):
    """A command of models, but for the word `keys`, which is a noun of its own.

    A model that is called so is named with its version: `keys@1`.
    """

    def make_context(
        self, info_name: Any, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        if args[:1] != [KEYS]:
            return super().make_context(info_name, args, parent, **extra)
        from lepton_tui.cli.serve_keys import app as keys

        command: Any = typer.main.get_command(keys)
        return command.make_context(f"{info_name} {KEYS}", args[1:], parent, **extra)


@app.command(
    cls=Serve,
    epilog="Keys: lepton serve keys add NAME | ls | rm NAME. On any address but this machine's own"
    " a request needs one.",
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
    from core.inference.process import EngineProcess
    from core.serving.keys import Keys
    from core.serving.openapi import Documents, any_service
    from core.serving.service import Service
    from core.serving.settings import Limits, Settings, is_loopback

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
    needed = require_key or not (insecure or is_loopback(host))
    settings = Settings(host, port, tuple(allow_host or ()), needed, cert, key, limits)
    if openapi:
        endpoints = _endpoints(workspace, limits, models, canary or [], shadow or [])
        _print_document(Documents(settings, endpoints).json(None))
        return
    keys = Keys(workspace)
    if needed and not keys.list():
        raise UsageError(
            "there is no key yet, and a request would need one",
            where=f"--host {host}",
            hint="Make one: lepton serve keys add NAME. Or let everybody in with --insecure.",
        )
    endpoints = _endpoints(workspace, limits, models, canary or [], shadow or [])
    if insecure and not is_loopback(host):
        note(f"Everybody who reaches {host} can use these models, and is asked for no key.")

    def ready(address: str) -> None:
        if json:
            # One line, and not put_json's many: whoever started it reads on only so far.
            print(dumps({"address": address, "models": endpoints.names()}), flush=True)
        else:
            note(f"Serving {', '.join(endpoints.names())} on {address}; Ctrl-C ends it.")

    Service(settings, endpoints, keys, EngineProcess(workspace, device)).run(ready)


def _print_document(document: bytes) -> None:
    put_json(loads(document))


def _bytes(text: str) -> int:
    try:
        return parse(text)
    except ValueError:
        raise UsageError(f'--max-body: "{text}" is no size', hint="Write 32MiB or 1GB.") from None


def _endpoints(
    workspace: Workspace, limits: Any, models: list[str], canary: list[str], shadow: list[str]
) -> Endpoints:
    from core.serving.endpoints import Endpoints, parse_share

    endpoints = Endpoints(workspace, limits)
    for ref in models:
        endpoints.serve(ref)
    for text in canary:
        endpoints.share(*parse_share(text))
    for ref in shadow:
        endpoints.shadow(ref)
    return endpoints
