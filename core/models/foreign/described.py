"""What a model of transformers was made for, as its config.json says, as one of our tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from core.errors import UsageError
from core.models.hub.base import Base
from core.tasks import task
from core.tasks.base import Task
from core.tasks.byte_pairs import BytePairs
from core.tasks.ctc import Ctc
from core.tasks.object_learning import STEP
from core.tasks.preprocessing import ImageReading, Seq2SeqReading, SoundReading, TextReading
from core.tasks.seq2seq import Seq2Seq
from core.tasks.text_generation import BLOCK, codec_of_reading
from core.tasks.transcripts import Letters
from core.tasks.words import MOST_LENGTH

_ENDS = {
    "ForImageClassification": "image-classification",
    "ForSequenceClassification": "text-classification",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForObjectDetection": "object-detection",
    "ForCTC": "automatic-speech-recognition",
    "WhisperForConditionalGeneration": "automatic-speech-recognition",
}
"""How the class of a model ends that was made for each task."""
_ONE_NUMBER = {"text-classification": "text-regression"}
"""The task of a model that tells one number where others of its class tell classes."""
_COLUMNS = {"image": ("image", "label"), "tokens": ("text", "label"), "audio": ("audio", "text")}
_SEPARATOR = ","
_WHOLE = (0.0, 0.0, 1.0, 1.0)


def task_of_base(
    base: Base,
    column: str | None = None,
    target: str | None = None,
    language: str | None = None,
) -> Task:
    """The task of a pretrained model with its head, and the codec that its files make.

    `column` and `target` are the names of what it reads and tells in a person's data, `language`
    the one that it writes down, where it knows several.

    Raises:
        UsageError: it was made for nothing that is known here, does not say what it tells, or does
            not know that language.
    """
    name = _made_for(base)
    if name.endswith("classification") and _tells_numbers(base):
        name = _of_one_number(base, name)
    kind = task(name)
    usual = ("image", "objects") if kind.boxes else _COLUMNS[kind.reads]
    if kind.gives == "number":
        usual = (usual[0], "score")
    codec: dict[str, Any] = {"column": column or usual[0], "target": target or usual[1]}
    reading = base.reading(kind.reads)
    if language and not isinstance(reading, Seq2SeqReading):
        raise UsageError(
            f"language={language} cannot be: the model does not tell languages apart",
            where=base.ref,
        )
    notes = []
    if isinstance(reading, TextReading):
        codec |= _of_text(reading, kind)
    elif isinstance(reading, ImageReading):
        codec |= _of_image(base, reading)
    elif isinstance(reading, SoundReading):
        codec |= _of_sound(base, reading)
    elif isinstance(reading, Seq2SeqReading):
        codec |= _of_writer(reading, language or "")
        if several := len(reading.languages):
            notes = [f"writes {language or reading.language}, one of {several} languages it knows"]
    if kind.boxes:
        for side in ("height", "width"):
            codec[side] = -(-codec[side] // STEP) * STEP
        codec |= {"labels": _labels(base), "commonest": 0, "usual": _WHOLE}
    elif kind.tells_classes:
        codec |= _classes(base)
    elif kind.gives == "number":
        # Its head tells the number itself, and what it learnt from is not known.
        codec |= {"mean": 0.0, "std": 1.0}
        notes = ["its number is told as its head has it: what it measures, its card may say"]
    return kind.from_json({**codec, "notes": notes})


def _made_for(base: Base) -> str:
    said = base.structure.get("architectures") or []
    known = [name for made in said for end, name in _ENDS.items() if str(made).endswith(end)]
    if known:
        return known[0]
    what = ", ".join(map(str, said)) or base.structure["model_type"]
    raise UsageError(
        f"{base.ref} is a {what}, whose answers are none of a task that is known here",
        hint=f"Train on from it: lepton train DATASET --model {base.ref}",
    )


def _of_text(reading: TextReading, kind: type[Task]) -> dict[str, Any]:
    pairs = BytePairs(reading.tokenizer, reading.end)
    if kind.talks:
        return {
            "tokenizer": reading.tokenizer,
            "end": reading.end,
            "length": reading.length(0, BLOCK),
            "counts": [0] * pairs.size,
            **codec_of_reading(reading),
        }
    return {
        "tokenizer": reading.tokenizer,
        "pad": reading.pad,
        "length": reading.length(0, MOST_LENGTH),
    }


def _of_image(base: Base, reading: ImageReading) -> dict[str, Any]:
    if reading.size is None:
        raise UsageError(f"{base.ref} does not say how large the images are that it reads")
    height, width = reading.size
    return {
        "height": height,
        "width": width,
        "mean": list(reading.mean),
        "std": list(reading.std),
    }


def _of_sound(base: Base, reading: SoundReading) -> dict[str, Any]:
    taken = Letters.taken_over(reading, {})
    if taken is None:
        raise UsageError(f"{base.ref} does not say which letters it tells")
    letters, places = taken
    writing = Ctc(letters, level=reading.level, places=places)
    return {**writing.to_json(), "commonest": "", "rate": reading.rate}


def _of_writer(reading: Seq2SeqReading, language: str) -> dict[str, Any]:
    writing = Seq2Seq.learn({}, reading, language)
    return {
        **writing.to_json(),
        "commonest": "",
        "rate": reading.rate,
        "seconds": reading.seconds,
    }


def _classes(base: Base) -> dict[str, Any]:
    labels = _labels(base)
    if base.structure.get("problem_type") == "multi_label_classification":
        return {
            "labels": labels,
            "counts": [0] * len(labels),
            "separator": _SEPARATOR,
            "rows": 0,
        }
    return {"labels": labels, "counts": []}


def _tells_numbers(base: Base) -> bool:
    return base.structure.get("problem_type") == "regression" or len(_labels(base)) < 2


def _of_one_number(base: Base, name: str) -> str:
    """The task of a model that tells a number; what is called a classification is meant so too.

    Raises:
        UsageError: it tells one of what no task here tells numbers of, or several.
    """
    hint = f"Train on from it, with a head of your own: lepton train DATASET --model {base.ref}"
    if name not in _ONE_NUMBER:
        what = "a number of an image, and models here tell classes, labels or objects of one"
        raise UsageError(f"{base.ref} tells {what}", hint=hint)
    if (several := len(_labels(base))) > 1:
        what = f"{several} numbers of a text at once, and models here tell one"
        raise UsageError(f"{base.ref} tells {what}", hint=hint)
    return _ONE_NUMBER[name]


def _labels(base: Base) -> list[str]:
    """The names of its outputs, no two alike, in their order.

    Raises:
        UsageError: some have none.
    """
    # What transformers leaves out of a config.json is two labels.
    said = base.structure.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
    try:
        named: Mapping[int, str] = {int(at): str(label) for at, label in said.items()}
        labels = [named[at] for at in range(len(named))]
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise UsageError(f"the labels of {base.ref} are no list: id2label has gaps") from error
    often = Counter(labels)
    return [f"{it} ({at})" if often[it] > 1 else it for at, it in enumerate(labels)]
