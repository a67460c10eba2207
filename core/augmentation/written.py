"""Augmentations as a person writes them: `crop,flip,rotate=15` or `erase=0.3:p=0.25`.

A word is a name, perhaps `=` and the value of its main setting, and `:setting=value` for each
other one. The command line, a TOML file and the settings of a run have the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from core.augmentation import AUGMENTATIONS, KINDS, Augmentation
from core.errors import UsageError, nearest, together
from core.settings import build, from_words, settings_of


def read(given: str | Iterable[str]) -> tuple[Augmentation, ...]:
    """The augmentations of a line or of a list of words, in the order in which they are applied.

    Raises:
        UsageError: a name or a value cannot be, or a name is there twice; all mistakes at once.
    """
    lines = [given] if isinstance(given, str) else given
    words = [word.strip() for line in lines for word in line.split(",") if word.strip()]
    found: dict[str, Augmentation] = {}
    mistakes: list[UsageError] = []
    for word in words:
        try:
            each = read_word(word)
            if each.name in found:
                raise UsageError(f"{each.name} is named twice", hint="Once is enough.")
            found[each.name] = each
        except UsageError as error:
            mistakes.append(error)
    if mistakes:
        raise together(mistakes)
    return tuple(found[name] for name in AUGMENTATIONS if name in found)


def read_word(word: str) -> Augmentation:
    """One augmentation.

    Raises:
        UsageError: its name is unknown, or a value cannot be.
    """
    head, *rest = word.split(":")
    name, equals, main = (part.strip() for part in head.partition("="))
    if name not in AUGMENTATIONS:
        raise UsageError(
            f'there is no augmentation "{name}"', hint=nearest(name, AUGMENTATIONS, shown=20)
        )
    kind = AUGMENTATIONS[name]
    words = {settings_of(kind)[0].key: main} if equals else {}
    for part in rest:
        key, _, value = part.partition("=")
        words[key.strip()] = value.strip()
    return build(kind, from_words(kind, words), name)


def written(augmentations: Iterable[Augmentation]) -> str:
    """The line from which `read` makes the same again."""
    return ",".join(each.word for each in augmentations)


def fitting(kind: str) -> list[type[Augmentation]]:
    """Those that fit a kind of inputs."""
    return [each for each in AUGMENTATIONS.values() if kind in each.kinds]


def check(
    augmentations: Sequence[Augmentation],
    kind: str,
    *,
    mixes: bool = True,
    boxes: bool = False,
    what: str = "it",
) -> None:
    """Refuse those that do not fit a kind of inputs, or targets that cannot be mixed or moved.

    Raises:
        UsageError: one or more do not; `what` names whose inputs they are.
    """
    wrong = [
        f"{each.name} is for {' and '.join(KINDS[suited] for suited in each.kinds)}"
        for each in augmentations
        if kind not in each.kinds
    ]
    if wrong:
        names = ", ".join(each.name for each in fitting(kind))
        raise UsageError(
            f"{', '.join(wrong)}, but {what} reads {KINDS.get(kind, kind)}",
            hint=f"There are: {names}." if names else "There is none for them.",
        )
    mixing = [each.name for each in augmentations if each.mixes and not mixes]
    if mixing:
        raise UsageError(f"{' and '.join(mixing)} cannot be: {what} cannot train on mixed targets")
    turning = [each.name for each in augmentations if each.parts_boxes and boxes]
    if turning:
        raise UsageError(
            f"{' and '.join(turning)} cannot be: a box that is turned is no box for {what}",
            hint="flip and crop move the boxes too.",
        )


def catalogue() -> list[dict[str, Any]]:
    """Every augmentation with its settings, as plain data, for help and for screens."""
    return [
        {
            "name": each.name,
            "kinds": [KINDS[kind] for kind in each.kinds],
            "help": each.summary,
            "settings": [asdict(setting) for setting in settings_of(each)],
        }
        for each in AUGMENTATIONS.values()
    ]
