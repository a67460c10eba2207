"""A process of its own that opens a graph in ONNX, has it answer once, and says what it is."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime  # noqa: F401 - before memory is bounded, as all that is large
import torch
from onnx.external_data_helper import uses_external_data
from torch import Tensor

from core.errors import LeptonError, UsageError, first_line
from core.models.foreign.bounded import answering
from core.models.graph import Graph

_FREE = 8
"""The size of an axis that may have any, but that of the rows."""


def main(path: Path) -> str:
    """Its inputs and outputs, the sizes of an answer to two rows (to one, where it takes no more),
    and how many numbers it holds, as JSON.

    Raises:
        UsageError: it is no graph, or not all of it is in this file.
        LeptonError: it cannot be run, or asks for far more memory than its size.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except MemoryError as error:
        raise LeptonError("it asks for far more memory than its size") from error
    except Exception as error:  # protobuf's errors have no common class but this
        raise UsageError("this is no model in ONNX") from error
    if any(uses_external_data(each) for each in model.graph.initializer):
        raise UsageError(
            "its weights lie in other files",
            hint="Write it into one: onnx.save(onnx.load(FILE), ONE_FILE)",
        )
    numbers = sum(math.prod(each.dims) for each in model.graph.initializer)

    try:
        graph = Graph(path.read_bytes())
    except LeptonError as error:
        raise UsageError(error.what) from error
    try:
        answer = graph(*(_drawn(each) for each in graph.inputs))
    except MemoryError as error:
        raise LeptonError("it asks for far more memory than its size") from error
    except Exception as error:  # ONNX Runtime's neither
        raise LeptonError(f"it cannot be run: {first_line(error)}") from error
    return json.dumps(
        {
            "inputs": graph.inputs,
            "outputs": graph.outputs,
            "answer": list(answer.shape),
            "numbers": numbers,
        }
    )


def _drawn(given: dict[str, Any]) -> Tensor:
    sizes = [
        size if isinstance(size, int) else _FREE if at else 2
        for at, size in enumerate(given["shape"])
    ]
    if "float" in given["type"] or "double" in given["type"]:
        return torch.from_numpy(np.random.default_rng(0).normal(size=sizes)).float()
    return torch.ones(sizes, dtype=torch.int64)


if __name__ == "__main__":
    answering(main)
