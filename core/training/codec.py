"""What a task learns from the training rows, learnt once for each version and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.atomic import write_json
from core.tasks.base import Fit, Task
from core.tasks.preprocessing import Reading
from core.training.once import by_one
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.data.lake.view import View

FORMAT = 1
"""One more when a task learns otherwise than it did: then what is kept is learnt anew."""
META, CODEC = "meta.json", "codec.json"


def learned(
    workspace: Workspace,
    view: View,
    kind: type[Task],
    fit: Fit,
    *,
    split: str,
    options: Mapping[str, Any],
    reading: Reading | None = None,
) -> Task:
    """The task with its codec: what an earlier run learnt from the same rows, or learnt now.

    `reading` is how the model reads, which the task then takes over.

    Learning looks at every row; for images that takes longer than all else in a second start.

    Raises:
        LeptonError, UsageError: as `Task.learn`.
    """
    files = [file.sha256 for file in view.version.files]
    version = view.version.ref
    asked = {
        "format": FORMAT,
        "version": version,
        "files": files,
        "split": split,
        "fit": asdict(fit),
        "options": dict(options),
    }
    as_it_reads: dict[str, Any] = {}
    if reading is not None:
        asked["reading"] = asdict(reading)
        as_it_reads["reading"] = reading
    key = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
    folder = workspace.compiled / f"{key}.codec"
    if (kept := _kept(folder, kind)) is not None:
        return kept
    with by_one(workspace, folder.name):
        if (kept := _kept(folder, kind)) is not None:
            return kept
        task = kind.learn(fit, view, split, options, **as_it_reads)
        codec = task.to_json()
        # What cannot be kept is learnt again; a full disk is told by those who need its room.
        with suppress(OSError):
            folder.mkdir(exist_ok=True)
            # The garbage collector asks whose rows these are.
            write_json(folder / META, {"of": {"version": version, "files": files}})
            write_json(folder / CODEC, {"codec": codec, "sha256": _digest(codec)})
    return task


def _kept(folder: Path, kind: type[Task]) -> Task | None:
    """What an earlier run learnt; None where that is missing or damaged."""
    try:
        kept = json.loads((folder / CODEC).read_text())
        if _digest(kept["codec"]) == kept["sha256"]:
            return kind.from_json(kept["codec"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def _digest(codec: Any) -> str:
    return hashlib.sha256(json.dumps(codec, sort_keys=True).encode()).hexdigest()
