"""A model as an ONNX graph, which ONNX Runtime answers with in place of torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from core.data.lake.files import sha256_of
from core.errors import LeptonError, UsageError, first_line
from core.models.registry import ABOUT, DAMAGED, GRAPH, ModelFolder

_TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


class Graph(nn.Module):
    """Answers as the module that the graph was made of: the same arguments, the one output.

    It runs on the processor, on as many threads as torch would take. It has no parameters, for its
    weights are ONNX Runtime's; `graph` is the file, as bytes. One that takes a single row is asked
    row by row.

    Raises:
        LeptonError: ONNX Runtime is not installed, or cannot read it.
    """

    def __init__(self, graph: bytes) -> None:
        super().__init__()
        self.graph = graph
        self._sessions: dict[int, Any] = {}
        """By threads, of which a session has as many for good: some batches want more of them."""
        self._facts = self._session(1)

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """What goes in, as JSON: name, ONNX's word for the type, and the sizes, a name where any
        will do."""
        return [_described(each) for each in self._facts.get_inputs()]

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """What comes out, as `inputs` has it."""
        return [_described(each) for each in self._facts.get_outputs()]

    def forward(self, *arguments: Tensor) -> Tensor:
        first, *_ = self._facts.get_inputs()
        if first.shape[:1] == [1]:
            rows = zip(*(torch.split(argument, 1) for argument in arguments), strict=True)
            return torch.cat([self._answered(row) for row in rows])
        return self._answered(arguments)

    def _session(self, threads: int) -> Any:
        if threads not in self._sessions:
            self._sessions[threads] = _session(self.graph, threads)
        return self._sessions[threads]

    def _answered(self, arguments: Sequence[Tensor]) -> Tensor:
        fed = {
            each.name: argument.cpu().numpy().astype(_TYPES[each.type], copy=False)
            for each, argument in zip(self._facts.get_inputs(), arguments, strict=True)
        }
        found, *_ = self._session(torch.get_num_threads()).run(None, fed)
        return torch.from_numpy(found).to(arguments[0].device)


def check_installed(*packages: str) -> None:
    """Look for packages, without loading them.

    Raises:
        LeptonError: one is not there.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise LeptonError(
            f"a model in ONNX needs the package {' and '.join(missing)}",
            hint="Install it: pip install 'lepton-tui[onnx]'",
        )


def read_graph(path: Path) -> Graph:
    """The graph of a file.

    Raises:
        LeptonError: it is missing or damaged.
    """
    try:
        return Graph(path.read_bytes())
    except OSError as error:
        raise LeptonError(
            f"the graph cannot be read: {error.strerror}", where=str(path), hint=DAMAGED
        ) from error
    except LeptonError as error:
        error.place(str(path))
        raise


def exported_graph(folder: ModelFolder) -> Graph:
    """The graph that a model was exported to, beside its weights.

    Raises:
        UsageError: there is none, or it is of other weights.
        LeptonError: it is damaged.
    """
    hint = f"Make one: lepton models export {folder.ref} --to onnx"
    try:
        about = json.loads((folder.path / ABOUT).read_text())
        of = about["weights_sha256"]
    except FileNotFoundError:
        raise UsageError("the model has no ONNX graph", where=folder.ref, hint=hint) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LeptonError(
            f"{ABOUT} cannot be read: {error}", where=str(folder.path / ABOUT), hint=hint
        ) from error
    if of != sha256_of(folder.weights):
        raise UsageError("its ONNX graph is of other weights", where=folder.ref, hint=hint)
    return read_graph(folder.path / GRAPH)


def _session(graph: bytes, threads: int) -> Any:
    check_installed("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait take the processor from whatever else is at work.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class but this
        raise LeptonError(f"ONNX Runtime cannot read the graph: {first_line(error)}") from error


def _described(value: Any) -> dict[str, Any]:
    return {"name": value.name, "type": value.type, "shape": list(value.shape)}
