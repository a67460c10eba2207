"""Lepton: from raw data to a model in use, in a terminal; and the same from Python.

import lepton_tui as l
dataset = l.load("mnist-sample")
model = l.load("mnist-sample_cnn")
model.train(dataset, epochs=5)
model.test(dataset)
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lepton_tui.sdk import Dataset, Model, load

__all__ = ["Dataset", "Model", "load"]

_OURS = Path(__file__).resolve().parent.parent


def _unshadowed(name: str) -> None:
    found = find_spec(name)
    places = [*(found.submodule_search_locations or ()), found.origin] if found else []
    where = next((Path(place).resolve() for place in places if place), None)
    if where != _OURS / name:
        raise ImportError(
            f"Lepton's package {name!r} is shadowed by {where or 'nothing'}: "
            "run the program from another folder, or rename that one"
        )


for _name in ("core", "screens"):
    _unshadowed(_name)


def __getattr__(name: str) -> Any:
    # Importing the package stays cheap: the command line imports it too.
    if name in __all__:
        return getattr(import_module("lepton_tui.sdk"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
