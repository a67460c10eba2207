"""Who reads which version: the runs and models of a workspace, by what they wrote down."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from core.data.lake.lake import Lake
from core.data.lake.names import split_ref
from core.data.lake.version import Version
from core.errors import UsageError
from core.models.registry import INFO
from core.runs.run import Run
from core.runs.state import summary
from core.runs.store import Runs
from core.workspace import Workspace

LIVING = frozenset({"queued", "running"})
RESUMABLE = frozenset({"interrupted", "stopped"})
CONFIG = "config.json"


@dataclass(frozen=True)
class Reader:
    """A run or a model that refers to a version.

    `id` is the run's, or the model's with its version; `what` the kind of the run, or the model's
    architecture; `state` the run's. `how` is "made" when the version came of the run.
    """

    kind: Literal["run", "model"]
    id: str
    what: str
    state: str | None = None
    how: Literal["read", "made"] = "read"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def in_words(self) -> str:
        """Such as `read by run train-… (finished)`, `trained model penguins_mlp@1`."""
        if self.kind == "model":
            return f"trained model {self.id}"
        state = f" ({self.state})" if self.state else ""
        return f"{self.how} by run {self.id}{state}"


def readers(workspace: Workspace) -> dict[str, list[Reader]]:
    """The runs and models that refer to each version, by its reference; newest runs first."""
    lake = Lake(workspace)
    versions = {newest.dataset: lake.versions(newest.dataset) for newest in lake.datasets()}
    found: dict[str, list[Reader]] = {}
    for run in Runs(workspace).all():
        state = run.state().state
        for how in ("read", "made"):
            refs = _read_by(run, state, versions) if how == "read" else _made_by(run)
            for ref in dict.fromkeys(refs):
                found.setdefault(ref, []).append(Reader("run", run.id, run.kind, state, how))
    for ref, reader in _models(workspace):
        found.setdefault(ref, []).append(reader)
    return found


def _read_by(run: Run, state: str, versions: Mapping[str, Sequence[Version]]) -> Iterator[str]:
    """The versions that a run has read, or may come to read."""
    settled = _json(run.artifacts / CONFIG).get("dataset")
    told = summary(run.events_path)[0].result.get("dataset") if run.kind == "evaluate" else None
    asked = run.info.get("dataset") if run.kind != "import" else None
    for name in (settled, told, asked):
        # Once it is known which version it was, the bare name says no more.
        known = name is asked and (settled or told) and "@" not in str(asked)
        if isinstance(name, str) and not known:
            yield from _resolved(name, run, versions)
    if state in LIVING and not settled and isinstance(asked, str):
        # It may be about to use a version that it makes itself, such as a split.
        own = versions.get(asked.partition("@")[0], ())
        yield from (version.ref for version in own if _after(version, run))


def _made_by(run: Run) -> Iterator[str]:
    if run.kind in ("train", "evaluate"):
        return
    made = summary(run.events_path)[0].result.get("dataset")
    if isinstance(made, str) and "@" in made:
        yield made


def _resolved(name: str, run: Run, versions: Mapping[str, Sequence[Version]]) -> Iterator[str]:
    """What a name meant to a run: without a number, the newest version then."""
    try:
        dataset, which = split_ref(name)
    except UsageError:
        return
    own = versions.get(dataset, ())
    if isinstance(which, int):
        yield f"{dataset}@{which}"
    elif isinstance(which, str):
        yield from (version.ref for version in own if which in version.tags)
    else:
        for version in own:
            if not _after(version, run, sure=True):
                yield version.ref
                if not _after(version, run):
                    return


def _after(version: Version, run: Run, *, sure: bool = False) -> bool:
    """Whether a version was made after a run was, or may have been: the second alone is known."""
    since = datetime.fromisoformat(version.created) - datetime.fromisoformat(run.created)
    return since > timedelta(0) if sure else since > timedelta(seconds=-1)


def _models(workspace: Workspace) -> Iterator[tuple[str, Reader]]:
    """Models with the version they were trained on; one that is otherwise damaged counts too."""
    for path in sorted(workspace.models.glob(f"*/*/{INFO}")):
        info = _json(path)
        name, version = path.parent.parent.name, path.parent.name
        if version.isdigit() and info.get("dataset") and info.get("dataset_version"):
            ref = f"{info['dataset']}@{info['dataset_version']}"
            yield ref, Reader("model", f"{name}@{version}", str(info.get("architecture") or ""))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
