"""`lepton serve ls` and `lepton serve stop`: the services of this workspace that run here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from core.errors import LeptonError, UsageError
from core.serving.running import Running, Services, state_of
from core.workspace import Workspace
from lepton_tui.cli.groups import single
from lepton_tui.cli.output import note, put, put_json, table
from screens.text import human_number, relative_time

listing = single()
stopping = single()


@listing.command()
def list_services(
    *, json: bool = typer.Option(False, "--json", help="Print one JSON document.")
) -> None:
    """List the services that run here, with how they do."""
    found = [(each, each.seen()) for each in Services(Workspace.open()).list()]
    if json:
        put_json([_json(running, seen) for running, seen in found])
    elif not found:
        note("No service of this workspace runs. Start one: lepton serve MODEL --detach")
    else:
        heads = ["address", "models", "state", "requests", "/s", "p50 ms", "p99 ms", "started"]
        table(heads, [_told(*each) for each in found], whole=("address", "state"))


@stopping.command()
def stop_services(
    *,
    service: str = typer.Argument(
        None, metavar="SERVICE", help="Its port, address or process id; none where one runs."
    ),
    every: bool = typer.Option(False, "--all", help="Every service of this workspace here."),
    wait: float = typer.Option(
        30.0, min=0, metavar="S", help="Seconds to wait for the requests that it has."
    ),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Stop a service: it takes nobody new, and ends after the requests that it has."""
    if service and every:
        raise UsageError("--all and the name of a service contradict each other")
    services = Services(Workspace.open())
    found = services.list() if every else [services.find(service)]
    for running in found:
        services.stop(running, wait=0)
    ended = [(running, services.ended_within(running, wait)) for running in found]
    if json:
        put_json([{"address": each.address, "stopped": there} for each, there in ended])
    else:
        for running, _ in filter(lambda each: each[1], ended):
            put(f"Stopped {running.address}")
    late = [running.address for running, there in ended if not there]
    if late:
        raise LeptonError(
            f"still at work: {', '.join(late)}",
            hint="It ends after its requests; stopped once more, it leaves them.",
        )


def _json(running: Running, seen: dict[str, Any]) -> dict[str, Any]:
    return {**asdict(running), "state": state_of(seen), "served": seen.pop("models", []), **seen}


def _told(running: Running, seen: dict[str, Any]) -> list[object]:
    return [
        running.address,
        ", ".join(running.models),
        state_of(seen),
        seen.get("requests"),
        human_number(seen.get("rate"), 3),
        human_number(seen.get("p50_ms"), 3),
        human_number(seen.get("p99_ms"), 3),
        relative_time(running.started),
    ]
