"""`lepton devices`: the machine's devices, how busy they are, and who is on them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from core.errors import LeptonError
from core.runs.queue_devices import Devices
from core.workspace import Workspace
from lepton_tui.cli.groups import single
from lepton_tui.cli.output import put, put_json
from screens.text import human_bytes, plain

if TYPE_CHECKING:
    from core.devices.usage import Holder, Usage

app = single()


@app.command()
def devices(json: bool = typer.Option(False, "--json", help="Print one JSON document.")) -> None:
    """List the devices with their memory, use and temperature, and who is on them."""
    from core.devices.facts import listing

    found = listing()
    folders, failed = _runs([device.name for device in found])
    runs = {device: [each.name for each in on] for device, on in folders.items()}
    if json:
        ours = {each: {"runs": runs[each], "failed": failed[each]} for each in runs}
        put_json([{**device.to_json(), **ours[device.name]} for device in found])
        return
    own = Workspace.open().runs
    for device in found:
        put(plain(f"{device.name}  {device.label}"))
        put(f"  {usage_words(device.usage) or 'its use is unknown'}")
        if why := failed[device.name]:
            put(f"  it failed under a run, and has not answered since: {plain(why)}")
        holders = device.holders or ()
        for holder in holders:
            put(f"  {plain(_holder_words(holder))}")
        # Where the driver does not tell, or tells process ids of another world, the runs do.
        named = {holder.run for holder in holders}
        for run in (each for each in folders[device.name] if each.name not in named):
            where = "" if run.parent == own else f", of the workspace {run.parent.parent}"
            put(f"  {plain(run.name + where)}")
        if device.holders is None:
            put("  who else is on it is unknown")


def _runs(devices: list[str]) -> tuple[dict[str, list[Path]], dict[str, str | None]]:
    """The folders of the runs that say they are on each device, and how each failed under one.

    Nothing where the runs cannot say so.
    """
    try:
        taken = Devices()
    except LeptonError:
        return {name: [] for name in devices}, dict.fromkeys(devices)
    on = {name: taken.folders_on(name) for name in devices}
    return on, {name: taken.blamed(name) for name in devices}


def usage_words(usage: Usage) -> str:
    """A device's use in a line; what is unknown is left out."""
    parts = []
    if usage.memory is not None and usage.free is not None:
        parts.append(f"{human_bytes(usage.free)} free of {human_bytes(usage.memory)}")
    elif usage.memory is not None:
        parts.append(human_bytes(usage.memory))
    if usage.busy is not None:
        parts.append(f"{usage.busy:.0f} % busy")
    if usage.temperature is not None:
        parts.append(f"{usage.temperature:.0f} °C")
    return ", ".join(parts)


def _holder_words(holder: Holder) -> str:
    parts = [holder.run or holder.name or "a process outside this container"]
    parts.append(f"process {holder.pid}")
    if holder.user:
        parts.append(holder.user)
    if holder.memory is not None:
        parts.append(human_bytes(holder.memory))
    return ", ".join(parts)
