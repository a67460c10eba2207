"""How a pretrained model reads, as the files beside its weights say it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.errors import UsageError
from core.generation.chat import ChatTemplate
from core.tasks.preprocessing import (
    ImageReading,
    Reading,
    Seq2SeqReading,
    SeriesReading,
    SoundReading,
    TextReading,
)

TOKENIZER, TOKENIZER_FACTS = "tokenizer.json", "tokenizer_config.json"
CHAT, GENERATION = "chat_template.jinja", "generation_config.json"
LETTERS = "vocab.json"
PREPROCESSOR, PROCESSOR = "preprocessor_config.json", "processor_config.json"
FACTS = (TOKENIZER, TOKENIZER_FACTS, CHAT, GENERATION, LETTERS, PREPROCESSOR, PROCESSOR)
_MOST = 1 << 20
"""What stands for "no limit" in the files of tokenizers is larger than this."""
_STRETCHED = ("yolos",)
"""Models whose places are stretched to images of any size."""
_OF_SAMPLES = "Wav2Vec2FeatureExtractor"
_OF_BANDS = {"feature_extractor_type": "WhisperFeatureExtractor", "n_fft": 400, "hop_length": 160}
_RATE = 16_000
_POSITIONS = 50
"""Positions of a second of sound in Whisper's encoder."""
_MEANT = "en"


def reading_of(ref: str, folder: Path, structure: Mapping[str, Any], reads: str) -> Reading:
    """How the model `ref` in a folder, of that config.json, reads what a task gives it.

    Raises:
        UsageError: it does not say how, or not in a way that is known here.
    """
    ways: dict[str, Callable[[str, Path, Mapping[str, Any]], Reading]] = {
        "image": _of_images,
        "tokens": _of_texts,
        "audio": _of_sounds,
        "series": _of_series,
    }
    return ways[reads](ref, folder, structure)


def json_of(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        UsageError: it cannot be read, or holds none.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"the file cannot be read: {error}", where=str(path)) from error
    if not isinstance(found, dict):
        raise UsageError("the file holds no JSON object", where=str(path))
    return found


def _of_texts(ref: str, folder: Path, structure: Mapping[str, Any]) -> TextReading:
    tokenizer = _tokenizer(ref, folder, "read")
    facts = _known(folder / TOKENIZER_FACTS)
    limits = [
        facts.get("model_max_length"),
        structure.get("max_position_embeddings"),
        structure.get("n_positions"),
    ]
    most = min((int(each) for each in limits if each and each < _MOST), default=_MOST)
    pad, end = (_first(structure.get(f"{it}_token_id")) for it in ("pad", "eos"))
    said = (of.get("eos_token_id") for of in (structure, _known(folder / GENERATION)))
    ends = {each for one in said for each in (one if isinstance(one, list) else [one])}
    return TextReading(
        tokenizer,
        most,
        pad=pad,
        end=end,
        start=_start(folder / TOKENIZER),
        ends=tuple(sorted(each for each in ends if isinstance(each, int))),
        chat=_chat(folder, facts),
    )


def _tokenizer(ref: str, folder: Path, does: str) -> str:
    path = folder / TOKENIZER
    if not path.exists():
        raise UsageError(
            f"{ref} has no {TOKENIZER}, by which it would {does} texts",
            hint="Write one: AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER).",
        )
    return path.read_text()


def _start(tokenizer: Path) -> tuple[int, ...]:
    """The pieces that a tokenizer puts before every text."""
    try:
        from tokenizers import Tokenizer

        found = Tokenizer.from_file(str(tokenizer)).encode("")
    except ImportError:
        return ()  # nothing can be read without the package, which is told then
    except Exception as error:  # the package raises nothing narrower
        raise UsageError(f"the file cannot be read: {error}", where=str(tokenizer)) from error
    return tuple(found.ids)


def _chat(folder: Path, facts: Mapping[str, Any]) -> ChatTemplate | None:
    """How conversations are written, from a file of its own or with the tokenizer's facts."""
    beside = folder / CHAT
    said = beside.read_text() if beside.exists() else facts.get("chat_template")
    if isinstance(said, list):
        # Several by name: one for tools, perhaps, and the usual one.
        named = {each.get("name"): each.get("template") for each in said if isinstance(each, dict)}
        said = named.get("default")
    if not isinstance(said, str):
        return None
    marks = {name: _mark(facts.get(name)) for name in ("bos_token", "eos_token")}
    return ChatTemplate(said, {name: mark for name, mark in marks.items() if mark})


def _mark(told: Any) -> str:
    """A mark's text, which may stand in a table with how it is read."""
    if isinstance(told, Mapping):
        told = told.get("content")
    return told if isinstance(told, str) else ""


def _of_images(ref: str, folder: Path, structure: Mapping[str, Any]) -> ImageReading:
    facts = _preprocessing(ref, folder, "image_processor", "images")
    channels = int(structure.get("num_channels", 3))
    mean, std = (_each(facts.get(f"image_{it}"), channels) for it in ("mean", "std"))
    own = structure.get("image_size")
    wanted = facts.get("crop_size") if facts.get("do_center_crop") else facts.get("size")
    fixed = own is not None and structure["model_type"] not in _STRETCHED
    return ImageReading(mean, std, _size(own or wanted), fixed=fixed)


def _of_sounds(ref: str, folder: Path, structure: Mapping[str, Any]) -> Reading:
    facts = _preprocessing(ref, folder, "feature_extractor", "sounds")
    kind = facts.get("feature_extractor_type")
    if structure["model_type"] == "whisper":
        return _of_whisper(ref, folder, structure, facts)
    if kind != _OF_SAMPLES:
        raise UsageError(
            f"{ref} reads sounds by a {kind or 'nameless extractor'}, which is not known here",
            hint="Name a Whisper, or a model that reads samples: a Wav2Vec2, HuBERT or WavLM.",
        )
    rate, level = int(facts.get("sampling_rate", 16_000)), bool(facts.get("do_normalize", True))
    codes = _known(folder / LETTERS)
    if not all(isinstance(code, int) for code in codes.values()):
        codes = {}  # one list for each of many languages
    words = _known(folder / TOKENIZER_FACTS)
    between, strange = words.get("word_delimiter_token", "|"), words.get("unk_token", "<unk>")
    if not isinstance(strange, str) or strange not in codes:
        return SoundReading(rate, level)
    letters = [""] * (1 + max(codes.values()))
    for piece, code in codes.items():
        letters[code] = " " if piece == between else piece.lower()
    blank = _first(structure.get("pad_token_id"))
    return SoundReading(rate, level, tuple(letters), blank=blank, strange=codes[strange])


def _of_whisper(
    ref: str, folder: Path, structure: Mapping[str, Any], facts: Mapping[str, Any]
) -> Seq2SeqReading:
    """As the files of Whisper say it; what they leave out is as in its first release."""
    rate = int(facts.get("sampling_rate", _RATE))
    if rate != _RATE or any(facts.get(name, known) != known for name, known in _OF_BANDS.items()):
        raise UsageError(f"{ref} reads sounds in other windows than Whisper, or at another rate")
    said = _known(folder / GENERATION)
    rest = {**structure, **{name: value for name, value in said.items() if value is not None}}
    languages = {_code(mark): int(at) for mark, at in (said.get("lang_to_id") or {}).items()}
    after = [(said.get("task_to_id") or {}).get("transcribe")] if languages else []
    after.append(said.get("no_timestamps_token_id"))
    if not said.get("no_timestamps_token_id"):
        # Older files say the whole prefix, place by place.
        after = [at for _, at in structure.get("forced_decoder_ids") or ()]
        languages = {}
    language = _code(str(said.get("language") or _MEANT))
    if languages and language not in languages:
        from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

        language = TO_LANGUAGE_CODE.get(language, language)
    return Seq2SeqReading(
        rate=rate,
        seconds=int(structure.get("max_source_positions", 1500)) // _POSITIONS,
        most=int(structure.get("max_target_positions", 448)),
        tokenizer=_tokenizer(ref, folder, "write"),
        end=_first(rest.get("eos_token_id")),
        start=(_first(rest.get("decoder_start_token_id")),),
        languages=languages,
        language=language,
        after=tuple(int(at) for at in after if at is not None),
        silent=tuple(map(int, rest.get("suppress_tokens") or ())),
        silent_first=tuple(map(int, rest.get("begin_suppress_tokens") or ())),
    )


def _code(mark: str) -> str:
    """ "de" of "<|de|>"."""
    return mark.strip("<|>").lower()


def _of_series(ref: str, _: Path, structure: Mapping[str, Any]) -> SeriesReading:
    context = structure.get("context_length")
    if structure["model_type"] != "patchtst" or not isinstance(context, int):
        raise UsageError(
            f"{ref} is a {structure['model_type']}, and of those that forecast only patchtst is"
            " known here"
        )
    return SeriesReading(context)


def _preprocessing(ref: str, folder: Path, part: str, what: str) -> Mapping[str, Any]:
    """What is done to an image or a sound first, from a file of its own or all processors' one."""
    facts = _known(folder / PREPROCESSOR) or _known(folder / PROCESSOR).get(part)
    if not isinstance(facts, Mapping):
        raise UsageError(
            f"{ref} has no {PREPROCESSOR}, by which it would read {what}",
            hint="Write one: AutoProcessor.from_pretrained(MODEL).save_pretrained(FOLDER).",
        )
    return facts


def _known(path: Path) -> dict[str, Any]:
    """What a file that need not be there says."""
    return json_of(path) if path.exists() else {}


def _first(value: Any) -> int:
    """A piece's number; the first, where there are several."""
    if isinstance(value, list):
        value = value[0] if value else None
    return int(value or 0)


def _each(value: Any, channels: int) -> tuple[float, ...]:
    if isinstance(value, int | float):
        value = [value] * channels
    if isinstance(value, list) and len(value) == channels:
        return tuple(float(each) for each in value)
    return (0.5,) * channels


def _size(value: Any) -> tuple[int, int] | None:
    """Height and width as the files of transformers write them."""
    if isinstance(value, Mapping):
        edge = value.get("shortest_edge")
        value = [value.get("height", edge), value.get("width", edge)]
    sides = value if isinstance(value, list) else [value, value]
    if len(sides) == 2 and all(isinstance(side, int) and side > 0 for side in sides):
        return sides[0], sides[1]
    return None
