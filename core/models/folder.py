"""Writing a trained model's folder, and bringing it back to life. No pickle on either side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from core.atomic import write_bytes, write_json, write_text
from core.data.lake.files import sha256_of
from core.errors import LeptonError, UsageError
from core.models.architectures import build
from core.models.graph import Graph, read_graph
from core.models.registry import CARD, DAMAGED, FORMAT, GRAPH, INFO, ONNX, WEIGHTS, ModelFolder
from core.tasks.base import Task

DIGEST = "weights_sha256"


def save_model(path: Path, module: nn.Module, task: Task, info: dict[str, Any]) -> None:
    """Fill an existing empty folder with a model.

    `info` has `name`, `architecture` and `options`, and what is known of `dataset`,
    `dataset_version`, `metrics`, `baseline`, `run` and `created`.
    """
    weights: dict[str, torch.Tensor] = {}
    places: set[int] = set()
    for name, each in module.state_dict().items():
        value = each.detach().cpu().contiguous()
        # One matrix may have two names, which safetensors does not keep.
        weights[name] = value.clone() if value.data_ptr() in places else value
        places.add(value.data_ptr())
    whole = {
        "format": FORMAT,
        "parameters": sum(each.numel() for each in module.parameters()),
        **info,
        "task": task.name,
        "metric": task.metric,
        "shape": task.shape,
        "codec": task.to_json(),
    }
    file = path / (GRAPH if isinstance(module, Graph) else WEIGHTS)
    if isinstance(module, Graph):
        write_bytes(file, module.graph)
    else:
        save_file(weights, file)
    whole[DIGEST] = sha256_of(file)
    write_json(path / INFO, whole)
    write_text(path / CARD, card(whole))


def load_module(folder: ModelFolder, device: torch.device | str = "cpu") -> nn.Module:
    """Build the architecture and fill in the weights, in evaluation mode; a model that came as a
    graph is a `Graph`, on the processor.

    Raises:
        LeptonError: the weights are missing, damaged, or not of the model that is described.
    """
    info = folder.info
    if info["architecture"] == ONNX:
        graph = read_graph(folder.weights).eval()
        _check_digest(folder)
        return graph
    try:
        module = build(info["architecture"], info["shape"], info["options"])
    except (UsageError, KeyError, TypeError, ValueError) as error:
        raise LeptonError(
            f"the model cannot be built: {error}", where=str(folder.path / INFO), hint=DAMAGED
        ) from error
    try:
        weights = load_file(folder.weights)
    except FileNotFoundError as error:
        raise LeptonError(
            "the model's weights are missing", where=str(folder.weights), hint=DAMAGED
        ) from error
    except (SafetensorError, OSError) as error:
        raise LeptonError(
            f"the model's weights cannot be read: {error}", where=str(folder.weights), hint=DAMAGED
        ) from error
    _check_digest(folder)
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        # torch lists every weight that does not fit, one a line below a heading.
        first = str(error).splitlines()[1:2] or [str(error)]
        raise LeptonError(
            f"the weights are not of this model: {first[0].strip()}",
            where=str(folder.weights),
            hint=DAMAGED,
        ) from error
    return module.to(device).eval()


def _check_digest(folder: ModelFolder) -> None:
    """That the weights are those that it was published with; an older model does not say.

    Raises:
        LeptonError: they are others: a byte that went wrong, or another model's.
    """
    told = folder.info.get(DIGEST)
    if told is not None and told != sha256_of(folder.weights):
        raise LeptonError(
            f"the weights are not those that {INFO} tells of: their SHA-256 is another",
            where=str(folder.weights),
            hint=DAMAGED,
        )


def card(info: dict[str, Any]) -> str:
    """The model card, in Markdown."""
    metrics, baseline = info.get("metrics") or {}, info.get("baseline") or {}
    rows = [
        f"| {name} | {value:.4f} | {_number(baseline.get(name))} |"
        for name, value in metrics.items()
    ]
    data = info.get("dataset") or "unknown"
    if info.get("dataset_version"):
        data = f"{data}, version {info['dataset_version']}"
    return "\n".join(
        [
            f"# {info.get('name', 'model')}",
            "",
            f"A `{info['architecture']}` for {info['task']}, {info['parameters']:,} parameters.",
            "",
            f"- Trained on: {data}",
            f"- Run: {info.get('run') or 'unknown'}",
            f"- Made: {info.get('created') or 'unknown'}",
            "",
            "## Scores on the validation split",
            "",
            *(
                ["| metric | model | baseline |", "| --- | --- | --- |", *rows]
                if rows
                else ["None."]
            ),
            "",
            "## Use",
            "",
            "    lepton predict PATH-OF-THIS-FOLDER INPUT",
            "",
            "It knows only what its training data showed it. Judge it on rows like yours before",
            "you trust it: `lepton eval PATH-OF-THIS-FOLDER DATASET`.",
            "",
        ]
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
