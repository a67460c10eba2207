"""What augmentations make of rows, to be seen before they are used: by the code that trains.

A row becomes here what it becomes in the same epoch of a training with the same seed, at the size
that its picture is shown in; but for its partner where two are mixed, which is the row before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from core.augmentation.augmenter import Augmenter
from core.augmentation.base import AUDIO, IMAGE, TOKENS, Augmentation, Batch
from core.augmentation.example import Cell, Changed, Example, Placed
from core.augmentation.mixing import SHARE
from core.data.cleaning.steps import audio
from core.data.lake.layout import ROW_ID
from core.data.objects import Thing, things_of
from core.data.png import encode_png
from core.errors import LeptonError
from core.tasks.image_classification import MOST_SIDE
from core.tasks.object_learning import canvas
from core.tasks.pixels import Survey, decode, letterboxed
from core.tasks.words import MOST_LENGTH, PAD, UNKNOWN_WORD, Words, split_words

LONGEST_SOUND = 30
"""Seconds of a sound that are shown."""

BOXES = "boxes"
Labels = Sequence[Sequence[str]]
Read = tuple[Batch, Callable[[Batch, int], Cell], Labels]
"""A batch, how one of its examples is shown (an image as PNG, a sound as WAV, a text), and what the
boxes in each are called."""


def examples(
    augmentations: Sequence[Augmentation],
    kind: str,
    rows: Sequence[tuple[int, Cell | None]],
    epochs: Sequence[int],
    seed: int = 0,
    *,
    objects: Sequence[object] | None = None,
) -> list[Example]:
    """What becomes of cells of a kind, each with its row's id, in these epochs (0 is the first).

    They are one batch, so that they can be mixed. A cell that cannot be read says why. `objects`
    are cells that list what is in each picture: it lies on a canvas then, as a detector has it, and
    the boxes go where the augmentations move them; nowhere where none would be a box any more.
    """
    problems: dict[int, Example] = {}
    readable: list[tuple[int, Any]] = []
    for at, (row, cell) in enumerate(rows):
        try:
            seen = _LOOK[kind](cell)
            if objects is not None:
                seen = seen, things_of(objects[at]) if objects[at] is not None else []
            readable.append((at, seen))
        except (ValueError, LeptonError) as error:
            problems[at] = Example(row, problem=str(error))
    found = dict(problems)
    if readable:
        read = _READ[kind] if objects is None else _scenes
        batch, shown, labels = read([seen for _, seen in readable])
        ids = [rows[at][0] for at, _ in readable]
        batch[ROW_ID] = torch.tensor(ids)
        augmenter = Augmenter(augmentations, seed)
        parted = any(each.parts_boxes or each.mixes for each in augmentations)
        given = {name: batch[name] for name in batch if name != BOXES} if parted else batch
        made = [augmenter(given, epoch) for epoch in epochs]
        for number, (at, _) in enumerate(readable):
            after = tuple(
                Changed(shown(each, number), _share(each, number), _placed(each, number, labels))
                for each in made
            )
            mixed = any(each.share < 1 for each in after)
            partner = ids[number - 1] if mixed else None
            boxes = _placed(batch, number, labels)
            found[at] = Example(ids[number], shown(batch, number), after, partner, boxes=boxes)
    return [found[at] for at in range(len(rows))]


def _share(batch: Batch, at: int) -> float:
    return float(batch[SHARE][at]) if SHARE in batch else 1.0


def _placed(batch: Batch, at: int, labels: Labels) -> tuple[Placed, ...]:
    """The boxes of an example; one that was cropped away has no inside, and is learnt from no
    more."""
    if BOXES not in batch:
        return ()
    boxes = batch[BOXES][at, : len(labels[at])].tolist()
    return tuple(
        (label, left, top, right, bottom)
        for label, (left, top, right, bottom) in zip(labels[at], boxes, strict=True)
        if right > left and bottom > top
    )


# Images


def _picture(cell: Cell | None) -> Cell | None:
    decode(cell, 1, (8, 8))
    return cell


def _pictures(cells: Sequence[Any]) -> Read:
    """All of one size and mode, as a task that reads them would have it."""
    survey = Survey(len(cells))
    for _, error in survey.add(cells):
        raise error
    channels, size = 1 if survey.grey else 3, survey.size(MOST_SIDE)
    pixels = np.stack([decode(cell, channels, size) for cell in cells])

    return {"image": torch.from_numpy(pixels)}, _as_png, ()


def _scenes(scenes: Sequence[tuple[Any, Sequence[Thing]]]) -> Read:
    """Each picture on a canvas, with its boxes there, as object detection has them."""
    survey = Survey(len(scenes))
    for _, error in survey.add([cell for cell, _ in scenes]):
        raise error
    mean, _ = survey.moments()
    fill = [round(255 * each) for each in mean]
    laid = [letterboxed(cell, fill, canvas(survey)) for cell, _ in scenes]
    boxes = np.zeros((len(scenes), max(len(things) for _, things in scenes), 4), np.float32)
    labels: list[list[str]] = []
    for own, (_, frame), (_, things) in zip(boxes, laid, scenes, strict=True):
        inside = [(each.label, box) for each in things if (box := each.within(*frame[2:].tolist()))]
        labels.append([label for label, _ in inside])
        for to, (_, box) in zip(own, inside, strict=False):
            to[:] = np.array(box, np.float32) * frame[[0, 1, 0, 1]]
    pixels = torch.from_numpy(np.stack([picture for picture, _ in laid]))
    return {"image": pixels, BOXES: torch.from_numpy(boxes)}, _as_png, labels


def _as_png(batch: Batch, at: int) -> bytes:
    image = batch["image"][at].round().clamp(0, 255).to(torch.uint8).numpy()
    return encode_png(image[0] if len(image) == 1 else image.transpose(1, 2, 0))


# Texts


def _words(cell: Cell | None) -> list[str]:
    if not isinstance(cell, str):
        raise ValueError("there is none" if cell is None else "it is no text")  # noqa: TRY004
    return split_words(cell)[:MOST_LENGTH]


def _texts(texts: Sequence[list[str]]) -> Read:
    """Every word is known: no vocabulary was learnt yet."""
    known = dict.fromkeys(word for words in texts for word in words)
    words = Words((PAD, UNKNOWN_WORD, *known), max(1, *map(len, texts)))
    encoded = words.encode([" ".join(each) for each in texts])

    def shown(batch: Batch, at: int) -> str:
        tokens = batch["tokens"][at, : int(batch["tokens_length"][at])].tolist()
        return " ".join(words.vocabulary[token] for token in tokens)

    parts = [torch.from_numpy(part) for part in encoded.parts()]
    lengths = torch.from_numpy(encoded.lengths)
    return {"tokens": pad_sequence(parts, batch_first=True), "tokens_length": lengths}, shown, ()


# Sounds


def _sound(cell: Cell | None) -> tuple[np.ndarray[Any, Any], int]:
    """Its first seconds in one channel, float32 [samples], and its rate."""
    if not isinstance(cell, bytes):
        raise ValueError("there is none" if cell is None else "it is no sound")  # noqa: TRY004
    try:
        samples, rate = audio.decode(cell)
    except ValueError as error:
        raise ValueError("these bytes are not a sound that can be read") from error
    if not len(samples):
        raise ValueError("it has no samples")
    return samples[: LONGEST_SOUND * rate].mean(1, keepdims=True), rate


def _sounds(heard: Sequence[tuple[np.ndarray[Any, Any], int]]) -> Read:
    """All at the rate of the first, padded with silence to the longest."""
    rate = heard[0][1]
    samples = [audio.resample(each, own, rate)[:, 0] for each, own in heard]
    length = np.array([len(each) for each in samples], np.int32)
    padded = np.zeros((len(samples), length.max()), np.float32)
    for row, each in zip(padded, samples, strict=True):
        row[: len(each)] = each

    def shown(batch: Batch, at: int) -> bytes:
        sound = batch["audio"][at, : int(batch["audio_length"][at])]
        return audio.encode(sound.numpy().astype(np.float64)[:, None], rate)

    tensors = {"audio": torch.from_numpy(padded), "audio_length": torch.from_numpy(length)}
    return tensors, shown, ()


_LOOK: Mapping[str, Callable[[Cell | None], Any]] = {
    IMAGE: _picture,
    TOKENS: _words,
    AUDIO: _sound,
}
_READ: Mapping[str, Callable[[Sequence[Any]], Read]] = {
    IMAGE: _pictures,
    TOKENS: _texts,
    AUDIO: _sounds,
}
