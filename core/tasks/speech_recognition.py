"""Speech recognition: one column of sounds, one column of what is said in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from core.data.cleaning.steps import audio
from core.data.lake.view import View
from core.errors import LeptonError, UsageError
from core.options import resolved
from core.tasks.base import Fit, Task
from core.tasks.facts import ColumnFacts, TableFacts
from core.tasks.preprocessing import Reading, SoundReading
from core.tasks.ragged import Ragged
from core.tasks.rows import PATH, label_text, place, skipped_note, values
from core.tasks.scoring import Scorer
from core.tasks.text_classification import is_prose
from core.tasks.transcripts import BLANK, Letters, edits, normalised
from core.tasks.verdicts import ERROR, Verdicts

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks.base import Array, Arrays, Batch, Rows

RATE = 16_000
"""Samples a second that all sounds are brought to, unless a pretrained model reads others."""
LEAST = 400
"""Samples that a model reads at once; a shorter sound is filled up with silence."""
_LOUD = 32_767
_NAMES = ("transcript", "transcription", "sentence", "text", "utterance", "words")
_SURE = 0.9


class SpeechRecognition(Task):
    """What is said in a sound.

    Sounds are kept as samples, int16, in one channel at one rate, and models read samples, so that
    augmentations change the sound itself. The model says a letter or nothing every few windows and
    is taught by CTC (Graves et al. 2006).
    """

    name: ClassVar[str] = "automatic-speech-recognition"
    summary: ClassVar[str] = "what is said in a sound"
    needs: ClassVar[str] = "a column of sounds and a column of transcripts"
    reads: ClassVar[str] = "audio"
    gives: ClassVar[str] = "text"
    architectures: ClassVar[tuple[str, ...]] = ("speech-gru", "wav2vec2")
    metric: ClassVar[str] = "word_error_rate"
    higher_is_better: ClassVar[bool] = False
    takes_pretrained: ClassVar[bool] = True

    def __init__(
        self,
        column: str,
        target: str,
        letters: Letters,
        *,
        commonest: str,
        rate: int = RATE,
        level: bool = True,
        places: Sequence[int] = (),
        notes: Sequence[str] = (),
    ) -> None:
        self.columns = (column,)
        self.target = target
        self.letters = letters
        self.commonest = commonest
        self.rate = rate
        self.level = level
        self.places = tuple(places)
        """Which output of a pretrained model says each code; empty: its letters are learnt."""
        self.notes = tuple(notes)

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        named = [facts.column(name) for name in inputs or ()]
        sounds = [column for column in named or facts.columns if column.media == "audio"]
        answer = facts.column(target) if target else _transcript(facts)
        if not sounds or len(named) > 1 or answer is None or answer.media:
            return None
        why = f"{sounds[0].name} holds sounds, {answer.name} what is said"
        return Fit(cls.name, (sounds[0].name,), answer.name, 0.85, why)

    @classmethod
    def advice(cls, facts: TableFacts, target: str | None = None) -> str:
        if not any(column.media == "audio" for column in facts.columns):
            return "Bring sounds in first: lepton data import FOLDER --labels TABLE --name NAME"
        able = [
            f"--target {column.name}"
            for column in facts.columns
            if (column.is_text or column.is_whole) and column.distinct > 1 and column.name != PATH
        ]
        if not able:
            return "Bring in what is said beside them: lepton data import FOLDER --labels TABLE"
        return f"Name the column that says what is said: {' or '.join(able)}."

    @classmethod
    def check_target(cls, fit: Fit, view: View) -> None:
        _transcripts(view, fit, None)

    @classmethod
    def learn(
        cls,
        fit: Fit,
        view: View,
        split: str | None = None,
        options: Mapping[str, Any] | None = None,
        reading: Reading | None = None,
    ) -> Self:
        resolved(cls.options, options or {}, cls.name)
        counts, missing = _transcripts(view, fit, split)
        notes = [*fit.notes, *skipped_note(fit.target, missing)]
        places: tuple[int, ...]
        letters, places, rate, level = Letters.learn(counts), (), RATE, True
        if isinstance(reading, SoundReading):
            rate, level = reading.rate, reading.level
            if taken := Letters.taken_over(reading, counts):
                letters, places = taken
            else:
                notes.append("the pretrained model lacks some of the letters: they are learnt anew")
        return cls(
            fit.inputs[0],
            fit.target,
            letters,
            commonest=counts.most_common(1)[0][0],
            rate=rate,
            level=level,
            places=places,
            notes=notes,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.columns[0],
            "target": self.target,
            "letters": list(self.letters.known),
            "commonest": self.commonest,
            "rate": self.rate,
            "level": self.level,
            "places": list(self.places),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        return cls(
            codec["column"],
            codec["target"],
            Letters(tuple(codec["letters"])),
            commonest=codec["commonest"],
            rate=int(codec["rate"]),
            level=bool(codec["level"]),
            places=tuple(map(int, codec["places"])),
            notes=codec["notes"],
        )

    @property
    def shape(self) -> dict[str, Any]:
        return {
            "kind": "speech",
            "rate": self.rate,
            "level": self.level,
            "places": list(self.places),
            "outputs": self.letters.size,
        }

    @property
    def at_once(self) -> int:
        return 32

    def encode(self, rows: Rows, *, target: bool) -> Arrays:
        """ "audio", `Ragged` int16; with `target`, the codes of the letters, `Ragged` int32."""
        (column,) = self.columns
        contents = values(rows, column)
        if not target:
            return {"audio": Ragged.of([self._samples(rows, at) for at in range(len(contents))])}
        texts = [label_text(value) for value in values(rows, self.target)]
        kept = [at for at, text in enumerate(texts) if text is not None]
        nothing = np.zeros(0, np.int16), np.zeros(0, np.int32)
        sounds = [self._samples(rows, at) for at in kept]
        codes = [self.letters.encode(normalised(texts[at] or "")) for at in kept]
        none = np.zeros(0, np.int64)
        return {
            "audio": Ragged.of(sounds) if kept else Ragged(nothing[0], none),
            "target": Ragged.of(codes) if kept else Ragged(nothing[1], none),
            "row": np.array(kept, np.int64),
        }

    def _samples(self, rows: Rows, at: int) -> Array:
        """A sound in one channel at the task's rate, int16 [samples]."""
        (column,) = self.columns
        content = values(rows, column)[at]
        try:
            if not isinstance(content, bytes):
                raise ValueError("there is none" if content is None else "it is not bytes")  # noqa: TRY004
            samples, rate = audio.decode(content)
            if not len(samples):
                raise ValueError("it has no samples")
        except (ValueError, EOFError) as error:
            raise LeptonError(
                f"the sound cannot be read: {error}",
                where=f"column {column}, {place(rows, at)}",
                hint="Remove the row or replace the file; `lepton data check` finds all of them.",
            ) from error
        one = audio.resample(samples.mean(1, keepdims=True), rate, self.rate)[:, 0]
        whole = (one.clip(-1, 1) * _LOUD).round().astype(np.int16)
        return np.pad(whole, (0, max(0, LEAST - len(whole))))

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Sounds float32 [n, samples] from -1 to 1, padded, and the samples of each, int64 [n]."""
        sound, length = batch["audio"], batch["audio_length"].long()
        return sound.float() / (1 if sound.is_floating_point() else _LOUD), length

    def loss(
        self, outputs: tuple[Tensor, Tensor], batch: Batch, weight: Tensor | None = None
    ) -> Tensor:
        from torch.nn import functional as F

        logits, lengths = outputs
        each = F.ctc_loss(
            logits.float().log_softmax(-1).transpose(0, 1),
            batch["target"].long(),
            lengths,
            batch["target_length"],
            blank=BLANK,
            reduction="none",
            # More letters than there is time for: nothing can be learnt of it.
            zero_infinity=True,
        )
        return (each / batch["target_length"].clamp(min=1)).mean()

    def naive(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The commonest transcript, whatever is heard."""
        import torch

        target = batch["target"]
        codes = self.letters.encode(self.commonest)
        frames = 2 * max(len(codes), target.shape[1]) + 1
        said = torch.full((frames,), BLANK)
        said[1 : 2 * len(codes) : 2] = torch.from_numpy(codes).long()
        size = self.letters.size
        chances = torch.full((frames, size), (1 - _SURE) / (size - 1))
        chances[torch.arange(frames), said] = _SURE
        logits = chances.log().to(target.device).expand(len(target), -1, -1)
        return logits, torch.full((len(target),), frames, device=target.device)

    def keep(self, outputs: tuple[Tensor, Tensor], batch: Batch) -> Tensor:
        """The likeliest codes without their repeats and blanks, float [n, most], then -1."""
        import torch

        logits, lengths = outputs
        codes = logits.argmax(-1)
        before = torch.nn.functional.pad(codes[:, :-1], (1, 0), value=BLANK)
        place = torch.arange(codes.shape[1], device=codes.device)
        said = (codes != BLANK) & (codes != before) & (place < lengths[:, None])
        first = (~said).int().argsort(dim=1, stable=True)
        most = max(1, int(said.sum(1).max()))
        return codes.masked_fill(~said, -1).gather(1, first)[:, :most].float()

    def scorer(self, found: Array, target: Ragged) -> Scorer:
        truths, answers = self._texts(found, target)
        sums = np.stack([*edits(truths, answers)], 1)
        exact = np.array([truth == said for truth, said in zip(truths, answers, strict=True)], int)

        def of(counts: Array) -> dict[str, float]:
            wrong_words, words, wrong_letters, letters = (counts @ sums).tolist()
            return {
                "word_error_rate": wrong_words / max(1, words),
                "character_error_rate": wrong_letters / max(1, letters),
                "exact_match": float(counts @ exact) / max(1, int(counts.sum())),
            }

        return Scorer(of, len(truths))

    def verdicts(self, found: Array, target: Ragged) -> Verdicts:
        """The worst are those with most errors for each word."""
        truths, answers = self._texts(found, target)
        wrong, words, *_ = edits(truths, answers)
        rates = wrong / np.maximum(1, words)
        return Verdicts(
            badness=rates,
            told=rates,
            measure=ERROR,
            truth=truths.__getitem__,
            answer=answers.__getitem__,
            wrong=wrong > 0,
        )

    def answers(self, found: Array) -> list[Any]:
        return [{"text": self.letters.decode(row)} for row in found]

    def row(self, given: object) -> dict[str, Any]:
        """A row from the bytes of a sound or the path of a file, alone or in its column.

        Paths are read: give it only what the person at this machine named.
        """
        (column,) = self.columns
        row = dict(given) if isinstance(given, Mapping) else {column: given}
        sound = row.get(column)
        if isinstance(sound, str | Path):
            try:
                row = {**row, "path": str(sound), column: Path(sound).read_bytes()}
            except OSError as error:
                raise UsageError(
                    f"the sound cannot be opened: {error.strerror}", where=str(sound)
                ) from None
        return row

    def _texts(self, found: Array, target: Ragged) -> tuple[list[str], list[str]]:
        """Truths and answers."""
        truths = [self.letters.decode(part) for part in target.parts()]
        return truths, [self.letters.decode(row) for row in found]


def _transcript(facts: TableFacts) -> ColumnFacts | None:
    """The column that is called a transcript, or else the longest that reads like one."""
    texts = [column for column in facts.columns if column.is_text and column.name != PATH]
    named = [column for name in _NAMES for column in texts if column.name.lower() == name]
    prose = [column for column in texts if is_prose(column)]
    return next(iter(named), max(prose, key=lambda column: column.length, default=None))


def _transcripts(view: View, fit: Fit, split: str | None) -> tuple[Counter[str], int]:
    """The normalised transcripts of a split with their rows, and how many rows have none.

    Raises:
        LeptonError: there is none, or nothing is said in any.
    """
    counts: Counter[str] = Counter()
    missing = 0

    def every() -> Iterator[Any]:
        for batch in view.batches([fit.target], split=split):
            yield from values(batch, fit.target)

    for value in every():
        text = label_text(value)
        if text is None:
            missing += 1
        else:
            counts[normalised(text)] += 1
    if not any(counts):
        raise LeptonError(
            f'the column "{fit.target}" has no transcript',
            where=f"{view.version.ref}, {split} split" if split else view.version.ref,
            hint="Name another column with --target.",
        )
    return counts, missing
