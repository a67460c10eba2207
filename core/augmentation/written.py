"""Augmentations as a person writes them: `crop,flip,rotate=15` or `erase=0.3:p=0.25`.

A word is a name, perhaps `=` and the value of its main setting, and `:setting=value` for each
other one. The command line, a TOML file and the settings of a run have the same words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from core.augmentation import AUGMENTATIONS, KINDS, Augmentation
from core.augmentation.base import AUDIO, TOKENS
from core.errors import UsageError, nearest, together
from core.settings import build, from_words, settings_of
from core.tasks import TASKS, task

if TYPE_CHECKING:
    from core.tasks.base import Task


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


def suiting(task: type[Task]) -> list[type[Augmentation]]:
    """Those that a task can be trained with, some of them with other settings than the usual."""
    return [
        each
        for each in fitting(task.reads)
        if not _breaks_boxes(each, task)
        and not _mixes_in_vain(each, task)
        and not (task.in_order and task.reads == TOKENS)
    ]


def _breaks_boxes(each: Augmentation | type[Augmentation], task: type[Task]) -> bool:
    return each.parts_boxes and task.boxes


def _mixes_in_vain(each: Augmentation | type[Augmentation], task: type[Task]) -> bool:
    return each.mixes and not task.mixes


def check_task(augmentations: Sequence[Augmentation], task: type[Task]) -> None:
    """Refuse those that a task cannot be trained with.

    Raises:
        UsageError: one or more; the hint says which there are for it.
    """
    suit = suiting(task)
    check(augmentations, task.reads, what=task.name, suit=suit)
    if turning := [each.name for each in augmentations if _breaks_boxes(each, task)]:
        raise UsageError(
            f"{_all(turning)} cannot be: a box that is turned is no box for {task.name}",
            hint="flip, crop and translate move the boxes too.",
        )
    if mixing := [each.name for each in augmentations if _mixes_in_vain(each, task)]:
        raise UsageError(
            f"{_all(mixing)} cannot be: {task.name} cannot train on mixed targets",
            hint=_there_are(suit),
        )
    if moving := [each.word for each in augmentations if each.reorders and task.in_order]:
        raise UsageError(
            f"{_all(moving)} cannot be: what {task.name} learns goes along"
            f" the {'text' if task.reads == TOKENS else 'sound'} from beginning to end",
            hint="shift:fill=silence lets what goes out at an edge not come in at the other."
            if task.reads == AUDIO
            else _there_are(suit),
        )


def refused(augmentations: Sequence[Augmentation], name: str | None) -> str:
    """Why a data set's task, by its name, cannot be trained with them; empty where it can be, or
    is not known."""
    if name not in TASKS:
        return ""
    try:
        check_task(augmentations, task(name))
    except UsageError as error:
        return error.what
    return ""


def _all(names: Iterable[str]) -> str:
    return " and ".join(names)


def _there_are(suit: Sequence[type[Augmentation]]) -> str:
    names = ", ".join(each.name for each in suit)
    return f"There are: {names}." if names else "There is none for them."


def check(
    augmentations: Sequence[Augmentation],
    kind: str,
    *,
    what: str = "it",
    suit: Sequence[type[Augmentation]] | None = None,
) -> None:
    """Refuse those that do not fit a kind of inputs.

    Raises:
        UsageError: one or more do not; `what` names whose inputs they are, and `suit` which of
            those that fit are told.
    """
    wrong = [
        f"{each.name} is for {' and '.join(KINDS[suited] for suited in each.kinds)}"
        for each in augmentations
        if kind not in each.kinds
    ]
    if wrong:
        raise UsageError(
            f"{', '.join(wrong)}, but {what} reads {KINDS.get(kind, kind)}",
            hint=_there_are(fitting(kind) if suit is None else suit),
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
