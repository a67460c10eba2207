"""Training that goes on from a model that Lepton trained: the settings that the model decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.errors import UsageError
from core.models.hub.base import Base
from core.models.hub.table import PRETRAINED
from core.models.registry import ModelFolder

if TYPE_CHECKING:
    from core.training.config import TrainConfig

FREE = frozenset(option.name for option in PRETRAINED.options)
"""Options that say how a model is trained, and not what it is."""


def taken_over(config: TrainConfig, origin: ModelFolder) -> TrainConfig:
    """The settings, with the task, columns, architecture and options that the model has.

    Raises:
        UsageError: the settings ask for others, or the model does not tell what it has.
    """
    told = origin.info.get("training")
    if not isinstance(told, dict) or not isinstance(told.get("options"), dict):
        raise UsageError("the model does not tell how it was trained", where=origin.ref)
    own = {name: told[name] for name in ("task", "target", "model")}
    own["inputs"] = tuple(told["inputs"])
    for name, value in own.items():
        _check(origin, name, value, getattr(config, name))
    if own["target"] in own["inputs"]:
        # One column is both, and named once.
        own["target"] = None
    for name, value in config.options.items():
        if name not in FREE:
            _check(origin, name, told["options"].get(name), value)
    free = {name: value for name, value in config.options.items() if name in FREE}
    options = {**told["options"], "tune": "full"} if _is_pretrained(origin) else told["options"]
    return config.with_(**own, options={**options, **free})


def base_of(origin: ModelFolder) -> Base | None:
    """What the model itself was trained from, as far as its folder holds it."""
    if not _is_pretrained(origin):
        return None
    structure = origin.info["options"].get("structure", {})
    return Base(str(origin.info.get("base")), origin.path, structure)


def _is_pretrained(origin: ModelFolder) -> bool:
    return bool(origin.info["architecture"] == PRETRAINED.name)


def _check(origin: ModelFolder, name: str, own: Any, asked: Any) -> None:
    if asked is not None and str(asked) != str(own):
        raise UsageError(
            f"{name} is {_words(own)} in {origin.ref}, and cannot become {_words(asked)}",
            hint="Leave it out, or train a new model.",
        )


def _words(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value)
