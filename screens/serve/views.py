"""How a service does, in lines and tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from core.serving.running import Running, state_of
from screens.listing import Line
from screens.tables import plain_table
from screens.text import counted, human_count, human_number, plain, relative_time, sparkline

SHOWN_SECONDS = 40
NOWHERE = "none"
"""The route of a request that found none."""
MARKS = {"ready": "●", "loading": "…", "stopping": "■", "silent": "?"}
REFUSED = 400
Seen = Mapping[str, Any]


def service_line(running: Running, seen: Seen) -> Line:
    """A service in the list: where it is, and its state."""
    state = state_of(seen)
    return Line(running.id, running.address.partition("://")[2], (f"{MARKS[state]} {state}",))


def heading(running: Running, seen: Seen) -> Text:
    """What it is: address, keys, age, and why it is not ready."""
    said = Text.assemble((plain(running.address), "bold"), f"  {state_of(seen)}")
    keys = "needs a key" if running.keys else "needs no key"
    since = relative_time(running.started)
    said.append(f"\n{keys} · process {running.pid} · started {since}", "dim")
    if seen.get("failure"):
        said.append(f"\n✗ {plain(seen['failure'])}")
    if not seen:
        said.append("\nIt does not say how it does: it may be very busy.", "dim")
    return said


def figures(seen: Seen) -> RenderableType:
    """Now and in the last minute; and each model's requests, rate, latencies and errors."""
    if not seen:
        return Text()
    now = Text.assemble(
        "at work ",
        (human_count(seen["in_flight"]), "bold"),
        "  in the queue ",
        (human_count(seen["waiting"]), "bold"),
        (f"\nlast {SHOWN_SECONDS} s ", "dim"),
        sparkline(seen["per_second"][-SHOWN_SECONDS:], SHOWN_SECONDS),
    )
    table = plain_table("model", "requests", "/s", "p50 ms", "p99 ms", "4xx", "5xx")
    # Where there is little room, names give way and numbers do not.
    table.columns[0].no_wrap = False
    for each in seen["models"]:
        version = f"@{each['version']}" if each["version"] else ""
        name = Text(plain(f"{each['name']}{version}"), no_wrap=True, overflow="ellipsis")
        table.add_row(name, *_numbers(each))
    table.add_row(Text("all", "dim"), *_numbers(seen))
    return Group(now, "", table)


def _numbers(counts: Mapping[str, Any]) -> list[str]:
    return [
        human_count(counts.get("requests", 0)),
        human_number(counts.get("rate", 0.0), 3),
        human_number(counts.get("p50_ms"), 3),
        human_number(counts.get("p99_ms"), 3),
        human_count(counts.get("refused", 0)),
        human_count(counts.get("failed", 0)),
    ]


def request_line(told: Mapping[str, Any]) -> Line:
    """A request in the list: when, of which model, by which id; its status and how long it took."""
    when = datetime.fromisoformat(told["time"]).astimezone().strftime("%H:%M:%S")
    mark = "✗ " if told["status"] >= REFUSED else ""
    name = f"{when} {_of(told)} {told['id']}"
    return Line(
        line_id(told), name, (f"{mark}{told['status']}", f"{human_number(told['ms'], 3)} ms")
    )


def line_id(told: Mapping[str, Any]) -> str:
    """What tells a request from others: a client may give two of them the same id."""
    return f"{told['time']} {told['id']}"


def _of(told: Mapping[str, Any]) -> str:
    if "model" not in told:
        return "–" if told["route"] == NOWHERE else str(told["route"])
    version = f"@{told['version']}" if told.get("version", "0") != "0" else ""
    return f"{told['model']}{version}"


def request_facts(told: Mapping[str, Any]) -> Table:
    """All that is known of one request."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    for name in ("id", "time", "method", "route", "model", "version", "status", "ms"):
        if name in told:
            facts.add_row(name, Text(plain(str(told[name]))))
    if "rows" in told:
        facts.add_row("rows", counted(told["rows"], "row"))
    for name in ("bytes", "key", "client", "error"):
        if name in told:
            facts.add_row(name, Text(plain(str(told[name]))))
    return facts
