"""What a service serves: names, the versions behind them, and how requests are shared out."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from core.data.lake.names import as_name, split_ref
from core.errors import LeptonError, UsageError, nearest
from core.models.registry import ModelFolder, Models, task_of
from core.options import fraction
from core.serving.forms import Form, type_name
from core.serving.problems import Refused
from core.serving.settings import Limits
from core.tasks.base import Task
from core.workspace import Workspace

LOOKED = 1.0
"""Seconds after which a name without a version is looked up again."""


@dataclass(frozen=True)
class Deployed:
    """One version of a model, ready to be asked for. `created` is in seconds since 1970."""

    name: str
    folder: ModelFolder
    task: Task
    form: Form
    created: int

    @property
    def ref(self) -> str:
        """What the engine knows it by."""
        return self.folder.ref

    @property
    def version(self) -> int | None:
        return self.folder.version

    @property
    def label(self) -> str:
        """Its version as a metric and a path have it; "0" for a folder, which has none."""
        return str(self.version or 0)


@dataclass
class Endpoint:
    """One served name: which version answers, which get a share, which only looks on."""

    name: str
    ref: str
    """As it was named: with a version it stays with that one, without it follows the newest."""
    canaries: list[tuple[str, float]] = field(default_factory=list)
    shadows: list[str] = field(default_factory=list)

    @property
    def refs(self) -> list[str]:
        return [self.ref, *(ref for ref, _ in self.canaries), *self.shadows]


class Endpoints:
    """All names of a service.

    A new version of a model that is served without one takes over when it is published; requests
    that are at work end with the version they began with.
    """

    def __init__(self, workspace: Workspace, limits: Limits) -> None:
        self.workspace = workspace
        self._models = Models(workspace)
        self._limits = limits
        self._named: dict[str, Endpoint] = {}
        self._deployed: dict[str, Deployed] = {}
        self._looked: dict[str, tuple[float, Deployed]] = {}
        self.generation = 0
        """Goes up when another version answers, which other things are made of."""

    def serve(self, ref: str) -> Endpoint:
        """Serve a model of a name, of "name@2", or in a folder.

        Raises:
            UsageError: there is none, or its name is served already.
            LeptonError: its folder is damaged.
        """
        folder = self._models.get(ref)
        name = folder.name if folder.version is not None else as_name(folder.name) or "model"
        if name in self._named:
            raise UsageError(
                f'two models are called "{name}"',
                hint=f"A second version gets a share with --canary {name}@2=0.1",
            )
        # A folder stays where it is, wherever this process goes.
        made = Endpoint(name, ref if folder.version is not None else str(folder.path))
        self._deploy(name, folder)
        self._named[name] = made
        return made

    def share(self, ref: str, share: float) -> None:
        """Give a version this share of its name's requests.

        Raises:
            UsageError: its name is not served, it has no version, or the shares are more than all.
        """
        endpoint = self._second(ref)
        if not 0 < share < 1 or sum(other for _, other in endpoint.canaries) + share > 1:
            raise UsageError(
                f"{ref} cannot have a share of {share:g}", hint="A share lies between 0 and 1."
            )
        endpoint.canaries.append((ref, share))

    def shadow(self, ref: str) -> None:
        """Have a version asked too, without its answers going anywhere but into the metrics.

        Raises:
            UsageError: its name is not served, or it has no version.
        """
        self._second(ref).shadows.append(ref)

    def names(self) -> list[str]:
        return list(self._named)

    def all(self) -> list[Endpoint]:
        return list(self._named.values())

    def get(self, name: str) -> Endpoint:
        """The endpoint of a name, or of "name@2".

        Raises:
            Refused: it is not served.
        """
        endpoint = self._named.get(name.partition("@")[0])
        if endpoint is None:
            # Not by Python's own quoting: what is not served is a stranger's text.
            hint = nearest(name, self._named)
            raise Refused(404, "no such model is served here", where=name[:80], hint=hint)
        return endpoint

    def current(self, name: str) -> Deployed:
        """The version that answers for a name; for "name@2", that one where it is served.

        Raises:
            Refused: it is not served.
        """
        endpoint = self.get(name)
        if "@" not in name:
            return self._look(endpoint, endpoint.ref)
        for deployed in self.versions(endpoint):
            if name == f"{endpoint.name}@{deployed.version}":
                return deployed
        there = ", ".join(each.label for each in self.versions(endpoint))
        raise Refused(
            404, "no such version is served here", where=name[:80], hint=f"There are: {there}."
        )

    def choose(self, name: str) -> Deployed:
        """The version that is to answer this request: by chance, where versions have shares."""
        if "@" in name:
            return self.current(name)
        endpoint = self.get(name)
        left = random.random() if endpoint.canaries else 1.0  # noqa: S311 - nothing secret hangs on it
        for ref, share in endpoint.canaries:
            left -= share
            if left < 0:
                return self._look(endpoint, ref)
        return self._look(endpoint, endpoint.ref)

    def exactly(self, name: str, version: int | None) -> Deployed:
        """This version of a name, even where another answers for it by now.

        Raises:
            LeptonError: it is not there any more.
        """
        if version is None:
            return self.current(name)
        return self._deploy(name, self._models.get(f"{name}@{version}"))

    def shadows(self, name: str) -> list[Deployed]:
        """The versions that look on."""
        endpoint = self._named[name]
        return [self._look(endpoint, ref) for ref in endpoint.shadows]

    def versions(self, endpoint: Endpoint) -> list[Deployed]:
        return [self._look(endpoint, ref) for ref in endpoint.refs]

    def deployed(self) -> list[Deployed]:
        """Every version of every name that may be asked."""
        return [each for endpoint in self.all() for each in self.versions(endpoint)]

    def _second(self, ref: str) -> Endpoint:
        name, version = split_ref(ref)
        if version is None or name not in self._named:
            raise UsageError(
                f'"{ref}" is no second version of a model that is served',
                hint=f"Write {next(iter(self._named), 'NAME')}@VERSION.",
            )
        endpoint = self._named[name]
        task, other = self.current(name).task, self._deploy(name, self._models.get(ref)).task
        if (task.takes, task.gives) != (other.takes, other.gives):
            raise UsageError(
                f"{ref} takes or gives something else than {endpoint.ref}",
                hint="Serve it under a name of its own.",
            )
        return endpoint

    def _look(self, endpoint: Endpoint, ref: str) -> Deployed:
        seen, deployed = self._looked.get(ref, (0.0, None))
        now = time.monotonic()
        # A version never changes, and neither does a folder.
        if deployed is not None and (now - seen < LOOKED or "@" in ref or "/" in ref):
            return deployed
        try:
            deployed = self._deploy(endpoint.name, self._models.get(ref))
        except LeptonError as error:
            # A model that is removed or half there answers on with what was read of it.
            if deployed is None:
                raise Refused(503, "the model is not there any more", where=ref) from error
        self._looked[ref] = now, deployed
        return deployed

    def _deploy(self, name: str, folder: ModelFolder) -> Deployed:
        stamp = folder.stamp
        key = f"{folder.path}:{stamp.inode}:{stamp.written}"
        if key not in self._deployed:
            task = task_of(folder)
            # The types of a folder and of all versions of a name are called after the name.
            form = Form(type_name(name), task, self._limits)
            self._deployed[key] = Deployed(name, folder, task, form, stamp.written // 10**9)
            self.generation += 1
        return self._deployed[key]


def parse_share(text: str) -> tuple[str, float]:
    """ "digits@3=0.1" as ("digits@3", 0.1).

    Raises:
        UsageError: it is not of that form.
    """
    ref, equals, share = text.rpartition("=")
    try:
        if not equals:
            raise ValueError
        return ref, fraction(share)
    except ValueError:
        raise UsageError(
            f'"{text}" names no version and share', hint="Write --canary NAME@VERSION=0.1"
        ) from None
