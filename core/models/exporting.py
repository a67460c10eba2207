"""A trained model as an ONNX graph: written, held against torch's answers, and timed beside it."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor, nn

from core.atomic import write_bytes, write_json
from core.data.lake.files import sha256_of
from core.devices.timing import quickest
from core.errors import LeptonError, UsageError, first_line
from core.models.folder import load_module
from core.models.graph import Graph, check_installed, read_graph
from core.models.registry import ABOUT, GRAPH, ONNX, ModelFolder, task_of

ABSOLUTE, RELATIVE = 1e-4, 1e-3
"""How far an answer may be from torch's: so much, and so much of its size."""
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")
_CHECKED, _TIMED = (1, 2, 5), (1, 32)
"""Rows in a batch."""
_SECONDS = 0.3
_MOST_BYTES = 2_000_000_000
"""What one file of ONNX can hold, or little less."""
_LONGEST = 64


@dataclass(frozen=True)
class Exported:
    """`difference` is the largest from torch's answers; `speed`, for each number of rows, how many
    times as quick as torch ONNX Runtime is here on one thread."""

    graph: Path
    about: Path
    difference: float
    speed: Mapping[int, float]

    def to_json(self) -> dict[str, Any]:
        return {
            "graph": str(self.graph),
            "about": str(self.about),
            "difference": self.difference,
            "tolerance": {"absolute": ABSOLUTE, "relative": RELATIVE},
            "speed": {str(rows): ratio for rows, ratio in self.speed.items()},
        }


@dataclass(frozen=True)
class Inputs:
    """`make` draws the model's arguments for a number of rows; `dynamic` names, for each, the
    axes that may have any size."""

    names: tuple[str, ...]
    make: Callable[[int], tuple[Tensor, ...]]
    dynamic: tuple[dict[int, str], ...]


def to_onnx(
    model: ModelFolder, into: Path | None = None, say: Callable[[str], None] = lambda _: None
) -> Exported:
    """Write a model's graph and what goes in and out, beside its weights or into another folder.

    Raises:
        UsageError: models of its kind have no such graph.
        LeptonError: a package is missing, it cannot be exported, or ONNX Runtime answers otherwise.
    """
    check_installed(*_PACKAGES)
    if model.info["architecture"] == ONNX:
        raise UsageError("the model is an ONNX graph already", where=str(model.weights))
    task, module = task_of(model), load_module(model)
    inputs = inputs_of(task.shape, task.name)
    if sum(each.nbytes for each in module.state_dict().values()) > _MOST_BYTES:
        raise UsageError("the model is larger than one file of ONNX can be", where=model.ref)
    folder = into or model.path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        beside = folder / f".{GRAPH}.{uuid4().hex[:8]}"
        try:
            say("writing the graph")
            _write(module, inputs, beside)
            say("asking ONNX Runtime and torch the same")
            graph = read_graph(beside)
            difference = _compare(module, graph, inputs)
            speed = {rows: _ratio(module, graph, inputs.make(rows)) for rows in _TIMED}
            about = {
                "format": 1,
                "model": model.name,
                "task": task.name,
                "weights_sha256": sha256_of(model.weights),
                "inputs": graph.inputs,
                "outputs": graph.outputs,
                "codec": task.to_json(),
                "tolerance": {"absolute": ABSOLUTE, "relative": RELATIVE},
                "difference": difference,
            }
            write_bytes(folder / GRAPH, graph.graph)
            # Last: who finds it finds the graph that it speaks of.
            write_json(folder / ABOUT, about)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise LeptonError(
            f"the graph cannot be written: {error.strerror}", where=str(folder)
        ) from (error)
    return Exported(folder / GRAPH, folder / ABOUT, difference, speed)


def inputs_of(shape: Mapping[str, Any], name: str) -> Inputs:
    """The arguments of models of a shape.

    Raises:
        UsageError: of such models no graph is made.
    """
    rows = {0: "rows"}
    kind = shape["kind"]
    if kind == "image":
        size = shape["channels"], shape["height"], shape["width"]
        return Inputs(("image",), lambda n: (torch.randn(n, *size),), (rows,))
    if kind == "table":
        sizes = shape["categories"]

        def table(n: int) -> tuple[Tensor, ...]:
            codes = [torch.randint(0, size, (n,)) for size in sizes]
            empty = torch.zeros(n, 0, dtype=torch.int64)
            return torch.randn(n, shape["numbers"]), torch.stack(codes, 1) if codes else empty

        return Inputs(("numbers", "categories"), table, (rows, rows))
    longest = min(_LONGEST, shape.get("length", 0))
    texts = {0: "rows", 1: "length"}

    def tokens(n: int) -> Tensor:
        # Where the rows are odd in number one token less, so that no length is built in unseen.
        size = n, max(1, longest - n % 2)
        return torch.randint(0, shape["vocabulary"], size, dtype=torch.int32)

    def with_lengths(n: int) -> tuple[Tensor, Tensor]:
        made = tokens(n)
        return made, torch.randint(1, made.shape[1] + 1, (n,), dtype=torch.int32)

    if kind == "tokens":
        return Inputs(("tokens", "lengths"), with_lengths, (texts, rows))
    if kind == "next-token":
        return Inputs(("tokens",), lambda n: (tokens(n),), (texts,))
    raise UsageError(
        f"models for {name} are not exported to ONNX",
        hint="Those for images, texts and tables are.",
    )


def _write(module: nn.Module, inputs: Inputs, path: Path) -> None:
    axes = {name: torch.export.Dim(name) for each in inputs.dynamic for name in each.values()}
    dynamic = tuple({at: axes[name] for at, name in each.items()} for each in inputs.dynamic)
    told = io.StringIO()
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(told), redirect_stderr(told):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                inputs.make(2),
                path,
                dynamo=True,
                dynamic_shapes=dynamic,
                input_names=list(inputs.names),
                output_names=["outputs"],
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # torch's exporter raises whatever its passes do
        said = first_line(error.__cause__ if isinstance(error.__cause__, Exception) else error)
        raise LeptonError(f"the model cannot be exported: {said}") from error
    finally:
        logging.disable(level)


def _compare(module: nn.Module, graph: Graph, inputs: Inputs) -> float:
    """The largest difference of an answer.

    Raises:
        LeptonError: one is larger than the tolerance.
    """
    largest = 0.0
    for rows in _CHECKED:
        arguments = inputs.make(rows)
        with torch.inference_mode():
            expected, found = module(*arguments), graph(*arguments)
        if found.shape != expected.shape:
            raise LeptonError(
                f"ONNX Runtime gives {list(found.shape)} where torch has {list(expected.shape)}"
            )
        apart = (found - expected).abs()
        if not (apart <= ABSOLUTE + RELATIVE * expected.abs()).all():
            raise LeptonError(
                f"ONNX Runtime's answers are up to {apart.max():.2g} from torch's, and"
                f" {ABSOLUTE:g} is the most",
                hint="Nothing was written.",
            )
        largest = max(largest, float(apart.max()))
    return largest


def _ratio(module: nn.Module, graph: Graph, arguments: tuple[Tensor, ...]) -> float:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            module(*arguments)  # the first call of each sets things up
            own = quickest(lambda: module(*arguments), _SECONDS)
            graph(*arguments)
            return own / quickest(lambda: graph(*arguments), _SECONDS)
    finally:
        torch.set_num_threads(before)
