"""`lepton doctor`: versions, devices, and whether the workspace is in good health."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import typer

from core.errors import LeptonError
from core.runs.queue import Queue
from core.workspace import Workspace
from lepton_tui.cli.devices import usage_words
from lepton_tui.cli.groups import single
from lepton_tui.cli.output import facts, put, put_json
from screens.text import human_bytes

app = single()

PACKAGES = ("lepton-tui", "torch", "duckdb", "textual", "numpy", "pyarrow", "safetensors")


@app.command()
def doctor(
    deep: bool = typer.Option(False, "--deep", help="Hash every file of every data set again."),
    json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Check versions, devices and the workspace; exit 1 when something is broken."""
    workspace = Workspace.open()
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "packages": {name: _version(name) for name in PACKAGES},
        "devices": _devices(),
        "workspace": str(workspace.home),
        "free_bytes": shutil.disk_usage(workspace.home).free,
        "terminal": os.environ.get("TERM", ""),
        "problems": _problems(workspace, deep=deep),
    }
    if json:
        put_json(found)
    else:
        facts(
            [
                ("python", f"{found['python']} on {found['system']}"),
                *((name, has or "not installed") for name, has in found["packages"].items()),
                *(("device", device) for device in found["devices"]),
                ("workspace", found["workspace"]),
                ("free on disk", human_bytes(found["free_bytes"])),
                ("terminal", found["terminal"] or "none"),
            ]
        )
        for problem in found["problems"]:
            put(f"✗ {problem['what']} ({problem['where']})")
            put(f"  {problem['hint']}")
        if not found["problems"]:
            put("✓ Nothing is wrong.")
    if found["problems"]:
        raise typer.Exit(1)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> list[str]:
    from core.devices.facts import listing

    try:
        found = listing()
    except LeptonError as error:
        return [error.what]
    return [f"{each.name}  {each.label}  {usage_words(each.usage)}".rstrip() for each in found]


def _problems(workspace: Workspace, *, deep: bool) -> list[dict[str, str]]:
    from core.data.lake.lake import Lake

    problems = []
    try:
        Queue(workspace).waiting()
    except LeptonError as error:
        problems.append(error.to_json())
    lake = Lake(workspace)
    try:
        versions = [each for newest in lake.datasets() for each in lake.versions(newest.dataset)]
    except LeptonError as error:
        return [*problems, error.to_json()]
    for each in versions:
        try:
            if deep:
                lake.verify(each)
            else:
                lake.open(each).close()
        except LeptonError as error:
            problems.append(error.to_json())
    return problems
