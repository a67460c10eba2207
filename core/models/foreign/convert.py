"""A process of its own that reads a file of pickled weights and writes them as safetensors.

torch reads it with `weights_only`, which builds tensors and plain values and calls nothing.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from core.errors import LeptonError, UsageError, first_line
from core.models.foreign.bounded import answering

CODE = "it holds more than weights, and reading that would run code"
SAVE = "Save the weights alone: torch.save(model.state_dict(), FILE), or safetensors."
_HOLDERS = ("state_dict", "model_state_dict", "model", "module")
_WRAPPERS = ("_orig_mod.", "module.")
"""What `torch.compile` and DDP set before each name."""


def main(source: Path, target: Path) -> str:
    """Write the weights of `source` to `target`.

    Raises:
        UsageError: it holds something else, or weights that are no plain tensors.
        LeptonError: it asks for far more memory than its size.
    """
    try:
        found = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UsageError(CODE, hint=SAVE) from error
    except (MemoryError, OverflowError) as error:
        raise LeptonError("it asks for far more memory than its size") from error
    except (RuntimeError, ValueError, KeyError, EOFError, TypeError, AttributeError) as error:
        raise UsageError(f"torch cannot read it: {first_line(error)}", hint=SAVE) from error
    save_file(weights(found), target)
    return ""


def weights(found: Any) -> dict[str, torch.Tensor]:
    """The tensors of a state dict, or of the one in a checkpoint, each with memory of its own.

    Raises:
        UsageError: there is none, or one of its values is no plain tensor.
    """
    while isinstance(found, Mapping) and not _is_state_dict(found):
        inner: Mapping[Any, Any] = next(
            (found[name] for name in _HOLDERS if isinstance(found.get(name), Mapping)), {}
        )
        if not inner:
            break
        found = inner
    if not isinstance(found, Mapping) or not _is_state_dict(found):
        raise UsageError("there are no weights by name in it", hint=SAVE)
    for wrapper in _WRAPPERS:
        if all(name.startswith(wrapper) for name in found):
            found = {name.removeprefix(wrapper): value for name, value in found.items()}
    for name, value in found.items():
        plain = value.layout is torch.strided and value.device.type == "cpu"
        if not plain or value.is_quantized:
            raise UsageError(f'"{name}" is no plain tensor', hint=SAVE)
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise UsageError(f'"{name}" says it is larger than the file has bytes for', hint=SAVE)
    return {name: value.detach().clone().contiguous() for name, value in found.items()}


def _is_state_dict(found: Mapping[Any, Any]) -> bool:
    return bool(found) and all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in found.items()
    )


if __name__ == "__main__":
    answering(main)
