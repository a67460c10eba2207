"""Models that others trained, by whatever class of transformers reads them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import torch
from torch import nn

from core.errors import LeptonError, UsageError, first_line
from core.models.hub.base import Base
from core.models.hub.gpt2 import QUICKER
from core.models.hub.tuning import adapt, freeze
from core.models.hub.wav2vec2 import STEADY
from core.models.hub.whisper import STEADY as STEADY_WRITER
from core.models.hub.wrapped import (
    Finder,
    Forecaster,
    ImageClassifier,
    Listener,
    NextPiece,
    Text,
    Wrapped,
)
from core.models.hub.writer import Writer

_CLASSES = {
    "image": ("AutoModelForImageClassification", "tell classes of images"),
    "tokens": ("AutoModelForSequenceClassification", "tell classes of texts"),
    "next-token": ("AutoModelForCausalLM", "go on with texts"),
    "objects": ("AutoModelForObjectDetection", "find objects"),
    "speech": ("AutoModelForCTC", "tell the letters of sounds"),
    "speech-seq2seq": ("AutoModelForSpeechSeq2Seq", "write what is said"),
    # transformers has no common class for those that forecast.
    "series": ("PatchTSTForPrediction", "forecast"),
}
"""For each kind of shape: the class of transformers, and what it makes a model do."""


def build(shape: Mapping[str, Any], *, structure: Mapping[str, Any], **options: Any) -> nn.Module:
    """The module of a config.json, with random weights; how it was tuned leaves no trace in it."""
    config = _config(shape, structure)
    return _wrapped(shape, _class(shape, config)._from_config(config, dtype=torch.float32))


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
        UsageError: it is of a kind that cannot do this, or has no head of its own, and only that is
            to be trained.
    """
    module, fresh = read(base, shape, say)
    if fresh:
        say(f"new weights, to be learnt: {', '.join(sorted(fresh))}")
    return tuned(module, fresh, tune=tune, rank=rank, alpha=alpha, where=base.ref)


def read(
    base: Base, shape: Mapping[str, Any], say: Callable[[str], None] = lambda _: None
) -> tuple[Wrapped, set[str]]:
    """The module with its pretrained weights, and the names of those parameters that have none.

    Raises:
        LeptonError: the weights cannot be read, or are not of this model.
        UsageError: it is of a kind that cannot do this.
    """
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    config = _config(shape, base.structure)
    try:
        model, told = _class(shape, config).from_pretrained(
            base.with_weights(say).path,
            config=config,
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        what = f"the weights cannot be read: {first_line(error)}"
        raise LeptonError(what, where=base.ref) from error
    mismatched = {each[0] if isinstance(each, tuple) else each for each in told["mismatched_keys"]}
    fresh = {*told["missing_keys"], *mismatched}
    known = {name for name, _ in model.named_parameters()}
    if len(fresh & known) > len(known) / 2:
        raise LeptonError(
            f"the weights are not of this model: {len(fresh & known)} of {len(known)} are missing",
            where=base.ref,
        )
    return _wrapped(shape, model), fresh & known


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
        freeze(module.model, fresh, backbone=module.backbone, where=where)
        module.still = True
    return cast(nn.Module, module)


def _class(shape: Mapping[str, Any], config: Any) -> Any:
    """The class of transformers for a configuration.

    Raises:
        UsageError: there is none that does what the task asks for.
    """
    import transformers

    name, does = _CLASSES[shape["kind"]]
    found = getattr(transformers, name)
    known = getattr(found, "_model_mapping", None) or {found.config_class: found}
    if type(config) not in known:
        raise UsageError(
            f"the pretrained model is a {config.model_type}, which cannot {does}",
            hint="Name one that was made for it, or another --task.",
        )
    made = known[type(config)]
    return made[0] if isinstance(made, tuple) else made


def _config(shape: Mapping[str, Any], structure: Mapping[str, Any]) -> Any:
    """transformers' own configuration, for as many outputs as the task has.

    Raises:
        LeptonError: it is of a kind that is not known here.
    """
    from transformers import AutoConfig

    left_out = ("model_type", "dtype", "torch_dtype", "id2label", "label2id", "problem_type")
    rest = {
        name: QUICKER.get(value, value) if isinstance(value, str) else value
        for name, value in structure.items()
        if name not in left_out
    }
    if shape["kind"] == "series":
        rest |= _for_series(shape, structure)
    elif shape["kind"] == "speech":
        rest |= STEADY
        if not shape["places"]:
            rest["vocab_size"] = shape["outputs"]
    elif shape["kind"] == "speech-seq2seq":
        rest |= STEADY_WRITER
    elif shape["kind"] != "next-token":
        rest["num_labels"] = shape["outputs"]
    try:
        if rest.get("quantization_config"):
            raise ValueError("its weights are quantized, which training does not go on from")
        return AutoConfig.for_model(structure["model_type"], **rest)
    except (ValueError, TypeError, KeyError) as error:
        first = str(error).splitlines()[0]
        raise LeptonError(f"the pretrained model cannot be built: {first}") from error


def _for_series(shape: Mapping[str, Any], structure: Mapping[str, Any]) -> dict[str, Any]:
    """What of a PatchTST's configuration is the task's.

    One that was to tell more steps keeps its head, whose first steps are taken.
    """
    together = structure.get("channel_attention", False)
    return {
        "num_input_channels": shape["columns"] if together else 1,
        "prediction_length": max(shape["outputs"], int(structure.get("prediction_length", 24))),
        "do_mask_input": False,
        "loss": "mse",
    }


def _wrapped(shape: Mapping[str, Any], model: Any) -> Wrapped:
    """The module as trainer, evaluator and engine know a model.

    Raises:
        LeptonError: the tokenizer knows more pieces or letters than the model.
    """
    if shape["kind"] == "image":
        return ImageClassifier(model, (shape["height"], shape["width"]))
    if shape["kind"] == "objects":
        return Finder(model, shape["outputs"])
    if shape["kind"] == "series":
        return Forecaster(model, shape["outputs"])
    if shape["kind"] == "speech":
        _check_pieces(1 + max(shape["places"], default=0), model.config.vocab_size)
        return Listener(model, level=shape["level"], places=shape["places"])
    if shape["kind"] == "speech-seq2seq":
        _check_pieces(shape["outputs"], model.config.vocab_size)
        return Writer(model, shape)
    _check_pieces(shape["vocabulary"], model.get_input_embeddings().num_embeddings)
    if shape["kind"] == "next-token":
        return NextPiece(model, shape["vocabulary"])
    return Text(model)


def _check_pieces(said: int, known: int) -> None:
    if said > known:
        raise LeptonError(
            f"the tokenizer knows {said:,} pieces and the model {known:,}",
            hint="They are not of one model: check the folder.",
        )
