"""What is told of an architecture before torch is loaded: what it is for, and its options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from core.errors import LeptonError
from core.options import Option, Value, defaults_of, resolved
from core.tasks.preprocessing import Reading


@dataclass(frozen=True)
class Architecture:
    """A model to train from nothing. `kinds` are the shapes it reads: image, tokens, table.

    `module` holds its `build(shape, **options)`, loaded only when one is built; `package` is the
    library whose module that is, where it is not our own.
    `suggested` holds the `lr` and `batch_size`, and perhaps the gradient `clip`, that suit it (with
    AdamW) when a person names none.
    """

    name: str
    module: str
    kinds: tuple[str, ...]
    summary: str
    options: tuple[Option, ...]
    suggested: Mapping[str, float] = field(default_factory=dict)
    parameters: int = 0
    """How many at the defaults, for the data of `TYPICAL`."""
    package: str = ""
    reading: Reading | None = None
    """How it reads, where the task is not to decide that by itself."""
    carries: tuple[str, ...] = ()
    """What it is built from beside its options, kept with them and never asked for."""

    @property
    def defaults(self) -> dict[str, Value]:
        return defaults_of(self.options)

    @property
    def source(self) -> str:
        """Whose module it is."""
        return self.package or "own"

    def check_installed(self) -> None:
        """Look for its package, without loading it.

        Raises:
            LeptonError: it is not there.
        """
        if self.package and find_spec(self.package) is None:
            raise LeptonError(
                f"{self.name} needs the package {self.package}",
                hint="Install it: pip install 'lepton-tui[hub]'",
            )

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """All options, the given ones checked, the others at their defaults.

        Raises:
            UsageError: an unknown name, or a value that cannot be.
        """
        carried = {name: given[name] for name in self.carries if name in given}
        asked = {name: value for name, value in given.items() if name not in carried}
        return {**resolved(self.options, asked, self.name), **carried}
