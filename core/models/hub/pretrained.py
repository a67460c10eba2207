"""Models that others trained, by whatever class of transformers reads them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import torch
from torch import nn

from core.errors import LeptonError
from core.models.hub.base import Base
from core.models.hub.tuning import adapt, freeze
from core.models.hub.wrapped import ImageClassifier, NextPiece, Text, Wrapped

_CLASSES = {
    "image": "AutoModelForImageClassification",
    "tokens": "AutoModelForSequenceClassification",
    "next-token": "AutoModelForCausalLM",
}


def build(shape: Mapping[str, Any], *, structure: Mapping[str, Any], **options: Any) -> nn.Module:
    """The module of a config.json, with random weights; how it was tuned leaves no trace in it."""
    return _wrapped(
        shape, _class(shape).from_config(_config(shape, structure), dtype=torch.float32)
    )


def start(
    base: Base,
    shape: Mapping[str, Any],
    *,
    tune: str,
    rank: int,
    alpha: int,
    say: Callable[[str], None] = lambda _: None,
    **_: Any,
) -> nn.Module:
    """The module as it goes into training: pretrained weights, a new head, and the rest as `tune`
    says.

    Raises:
        LeptonError: the weights cannot be read, or are not of this model.
        UsageError: it has no head of its own, and only that is to be trained.
    """
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    config = _config(shape, base.structure)
    try:
        model, told = _class(shape).from_pretrained(
            base.with_weights(say).path,
            config=config,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        raise LeptonError(f"the weights cannot be read: {first}", where=base.ref) from error
    mismatched = {each[0] if isinstance(each, tuple) else each for each in told["mismatched_keys"]}
    fresh = {*told["missing_keys"], *mismatched}
    known = {name for name, _ in model.named_parameters()}
    if len(fresh & known) > len(known) / 2:
        raise LeptonError(
            f"the weights are not of this model: {len(fresh & known)} of {len(known)} are missing",
            where=base.ref,
        )
    if fresh & known:
        say(f"new weights, to be learnt: {', '.join(sorted(fresh & known))}")
    module = _wrapped(shape, model)
    return tuned(module, fresh, tune=tune, rank=rank, alpha=alpha, where=base.ref)


def tuned(
    module: Any,
    fresh: Collection[str],
    *,
    tune: str,
    rank: int,
    alpha: int,
    where: str,
    **_: Any,
) -> nn.Module:
    """The module, wrapped as `build` does, with only that left to train which `tune` says, and what
    has no trained weights (`fresh`, by name).

    Raises:
        UsageError: it has no head of its own, and only that is to be trained.
    """
    if tune == "lora":
        adapt(module.model, fresh, rank=rank, alpha=alpha)
    elif tune == "head":
        freeze(module.model, fresh, where=where)
        module.still = True
    return cast(nn.Module, module)


def _class(shape: Mapping[str, Any]) -> Any:
    import transformers

    return getattr(transformers, _CLASSES[shape["kind"]])


def _config(shape: Mapping[str, Any], structure: Mapping[str, Any]) -> Any:
    """transformers' own configuration, for as many outputs as the task has.

    Raises:
        LeptonError: it is of a kind that is not known here.
    """
    from transformers import AutoConfig

    left_out = ("model_type", "dtype", "torch_dtype", "id2label", "label2id", "problem_type")
    rest = {name: value for name, value in structure.items() if name not in left_out}
    if shape["kind"] != "next-token":
        rest["num_labels"] = shape["outputs"]
    try:
        if rest.get("quantization_config"):
            raise ValueError("its weights are quantized, which training does not go on from")
        return AutoConfig.for_model(structure["model_type"], **rest)
    except (ValueError, TypeError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise LeptonError(f"the pretrained model cannot be built: {first}") from error


def _wrapped(shape: Mapping[str, Any], model: Any) -> Wrapped:
    """The module as trainer, evaluator and engine know a model.

    Raises:
        LeptonError: the tokenizer knows more pieces than the model.
    """
    if shape["kind"] == "image":
        return ImageClassifier(model, (shape["height"], shape["width"]))
    known = model.get_input_embeddings().num_embeddings
    if shape["vocabulary"] > known:
        raise LeptonError(
            f"the tokenizer knows {shape['vocabulary']:,} pieces and the model {known:,}",
            hint="They are not of one model: check the folder.",
        )
    if shape["kind"] == "next-token":
        return NextPiece(model, shape["vocabulary"])
    return Text(model)
