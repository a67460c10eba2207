"""A service as a person asks for one, and what is checked before it listens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.inference.process import whole_ref
from core.serving.endpoints import Endpoints, parse_share
from core.serving.keys import Keys
from core.serving.settings import Limits, Settings, is_loopback
from core.workspace import Workspace


@dataclass(frozen=True)
class Asked:
    """Which models, and how they are served."""

    models: tuple[str, ...]
    canaries: tuple[str, ...] = ()
    """`name@version=share` each."""
    shadows: tuple[str, ...] = ()
    settings: Settings = field(default_factory=Settings)
    device: str = "auto"
    runtime: str = "torch"

    def endpoints(self, workspace: Workspace) -> Endpoints:
        """What is served, once all of it is known to be there and somebody could ask it.

        Raises:
            UsageError: a model is not there, or nobody could ask for want of a key.
            LeptonError: a model's folder is damaged.
        """
        if self.settings.keys and not Keys(workspace).list():
            host = self.settings.host
            raise UsageError(
                "there is no key yet, and a request would need one",
                where="--require-key" if is_loopback(host) else f"--host {host}",
                hint="Make one: lepton serve keys add NAME. Or let everybody in with --insecure.",
            )
        return self.described(workspace)

    def described(self, workspace: Workspace) -> Endpoints:
        """The same, for who wants to know of it and not to be served."""
        made = Endpoints(workspace, self.settings.limits)
        for ref in self.models:
            made.serve(ref)
        for text in self.canaries:
            made.share(*parse_share(text))
        for ref in self.shadows:
            made.shadow(ref)
        return made

    def to_json(self) -> dict[str, Any]:
        """As `from_json` takes it, in whichever folder that is: paths are whole."""
        told = asdict(self)
        told["models"] = [whole_ref(ref) for ref in self.models]
        for name in ("certificate", "private_key"):
            path = getattr(self.settings, name)
            told["settings"][name] = None if path is None else str(path.absolute())
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Asked:
        settings = dict(told["settings"])
        for name in ("certificate", "private_key"):
            settings[name] = Path(settings[name]) if settings[name] else None
        settings |= {"hosts": tuple(settings["hosts"]), "limits": Limits(**settings["limits"])}
        return cls(
            tuple(told["models"]),
            tuple(told["canaries"]),
            tuple(told["shadows"]),
            Settings(**settings),
            told["device"],
            told["runtime"],
        )
