"""Speech recognition: one column of sounds, one column of what is said in them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from core.data.cleaning.steps import audio
from core.data.lake.view import View
from core.data.several_labels import label_text
from core.errors import LeptonError, UsageError
from core.options import Option, resolved
from core.tasks.base import Fit, Task
from core.tasks.ctc import Ctc
from core.tasks.facts import ColumnFacts, TableFacts
from core.tasks.preprocessing import Reading, Seq2SeqReading, SoundReading
from core.tasks.ragged import Ragged
from core.tasks.rows import PATH, media_row, place, skipped_note, values
from core.tasks.scoring import Scorer
from core.tasks.seq2seq import Seq2Seq
from core.tasks.sounds import MOST_SECONDS, RATE, as_heard, decoded, heard
from core.tasks.texts import is_prose
from core.tasks.transcribing import Transcribing
from core.tasks.transcripts import edits, normalised
from core.tasks.verdicts import ERROR, Verdicts

if TYPE_CHECKING:
    from torch import Tensor, nn

    from core.tasks.base import Array, Arrays, Batch, Rows

LONGEST = 30
"""Seconds of the longest sound that a model can hear at once."""
_ROOM = 1.5
"""How much longer than those in training a sound may be."""
_NAMES = ("transcript", "transcription", "sentence", "text", "utterance", "words")


class SpeechRecognition(Task):
    """What is said in a sound.

    Sounds are kept as samples, int16, in one channel at one rate, and models read samples, so that
    augmentations change the sound itself. How transcripts are written, letter by letter or piece
    by piece, hangs on the model (`Transcribing`).
    """

    name: ClassVar[str] = "automatic-speech-recognition"
    summary: ClassVar[str] = "what is said in a sound"
    needs: ClassVar[str] = "a column of sounds and a column of transcripts"
    reads: ClassVar[str] = "audio"
    gives: ClassVar[str] = "text"
    architectures: ClassVar[tuple[str, ...]] = ("speech-gru", "wav2vec2", "whisper")
    metric: ClassVar[str] = "word_error_rate"
    higher_is_better: ClassVar[bool] = False
    takes_pretrained: ClassVar[bool] = True
    in_order: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = (
        Option(
            "seconds",
            0,
            "the longest sound that is heard; by default any, or what the training sounds need"
            " where a model hears all of a sound at once",
            1,
            LONGEST,
            auto=True,
        ),
        Option(
            "language",
            "",
            "of the transcripts, as en or de, where a pretrained model writes in several",
        ),
    )

    def __init__(
        self,
        column: str,
        target: str,
        transcribing: Transcribing,
        *,
        commonest: str,
        rate: int = RATE,
        seconds: int = 0,
        notes: Sequence[str] = (),
    ) -> None:
        self.columns = (column,)
        self.target = target
        self.transcribing = transcribing
        self.commonest = commonest
        self.rate = rate
        self.seconds = seconds
        """The longest sound that is heard; 0: any."""
        self.notes = tuple(notes)

    @classmethod
    def fit(
        cls, facts: TableFacts, target: str | None = None, inputs: Sequence[str] | None = None
    ) -> Fit | None:
        named = [facts.column(name) for name in inputs or ()]
        sounds = [column for column in named or facts.columns if column.media == "audio"]
        answer = facts.column(target) if target else transcript_column(facts)
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
        chosen = resolved(cls.options, options or {}, cls.name)
        seconds, language = chosen["seconds"], chosen["language"]
        counts, missing = _transcripts(view, fit, split)
        notes = [*fit.notes, *skipped_note(fit.target, missing)]
        transcribing: Transcribing
        if isinstance(reading, Seq2SeqReading):
            seconds = reading.length(seconds) or _longest(view, fit.inputs[0], split)
            transcribing = Seq2Seq.learn(counts, reading, language)
        elif language:
            raise UsageError(f"language={language} cannot be: the model tells letters alone")
        else:
            heard = reading if isinstance(reading, SoundReading) else None
            transcribing, note = Ctc.learn(counts, heard)
            notes += [note] if note else []
        return cls(
            fit.inputs[0],
            fit.target,
            transcribing,
            commonest=counts.most_common(1)[0][0],
            rate=reading.rate if isinstance(reading, SoundReading | Seq2SeqReading) else RATE,
            seconds=seconds,
            notes=notes,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.columns[0],
            "target": self.target,
            **self.transcribing.to_json(),
            "commonest": self.commonest,
            "rate": self.rate,
            "seconds": self.seconds,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        way: type[Ctc | Seq2Seq] = Seq2Seq if "tokenizer" in codec else Ctc
        return cls(
            codec["column"],
            codec["target"],
            way.from_json(codec),
            commonest=codec["commonest"],
            # The first models of this task told neither rate, seconds nor what `Ctc` has of others.
            rate=int(codec.get("rate", RATE)),
            seconds=int(codec.get("seconds", 0)),
            notes=codec["notes"],
        )

    @property
    def shape(self) -> dict[str, Any]:
        return {"rate": self.rate, "seconds": self.seconds, **self.transcribing.shape}

    @property
    def at_once(self) -> int:
        return self.transcribing.at_once

    def encode(self, rows: Rows, *, target: bool) -> Arrays:
        """ "audio", `Ragged` int16; with `target`, the codes of the transcripts, `Ragged` int32."""
        (column,) = self.columns
        contents = values(rows, column)
        if not target:
            return {"audio": Ragged.of([self._samples(rows, at) for at in range(len(contents))])}
        texts = [label_text(value) for value in values(rows, self.target)]
        kept = [at for at, text in enumerate(texts) if text is not None]
        nothing = np.zeros(0, np.int16), np.zeros(0, np.int32)
        sounds = [self._samples(rows, at) for at in kept]
        codes = [self._codes(rows, at, texts[at] or "") for at in kept]
        none = np.zeros(0, np.int64)
        return {
            "audio": Ragged.of(sounds) if kept else Ragged(nothing[0], none),
            "target": Ragged.of(codes) if kept else Ragged(nothing[1], none),
            "row": np.array(kept, np.int64),
        }

    def _codes(self, rows: Rows, at: int, text: str) -> Array:
        try:
            return self.transcribing.encode(text)
        except LeptonError as error:
            error.place(f"column {self.target}, {place(rows, at)}")
            raise

    def _samples(self, rows: Rows, at: int) -> Array:
        samples, rate = decoded(rows, at, self.columns[0], self.seconds or MOST_SECONDS)
        return as_heard(samples, rate, self.rate)

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """`Sounds`, and what a model is to be shown of the targets."""
        return (*heard(batch), *self.transcribing.arguments(batch))

    def loss(self, outputs: Any, batch: Batch, weight: Tensor | None = None) -> Tensor:
        return self.transcribing.loss(outputs, batch)

    def naive(self, batch: Batch) -> Any:
        """The commonest transcript, whatever is heard."""
        return self.transcribing.naive(self.commonest, batch)

    def keep(self, outputs: Any, batch: Batch) -> Tensor:
        """The codes of what is said, float [n, most], then -1."""
        return self.transcribing.keep(outputs)

    def judge(self, module: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        outputs = module(*self.inputs(batch))
        said = self.transcribing.said(module, heard(batch), outputs)
        return self.loss(outputs, batch), said

    def solve(self, module: nn.Module, batch: Batch) -> Tensor:
        return self.transcribing.said(module, heard(batch))

    def scorer(self, found: Array, target: Ragged) -> Scorer:
        truths, answers = ([*map(normalised, each)] for each in self._texts(found, target))
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
        wrong, words, *_ = edits([*map(normalised, truths)], [*map(normalised, answers)])
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
        return [{"text": self.transcribing.decode(row)} for row in found]

    def row(self, given: object) -> dict[str, Any]:
        """A row from the bytes of a sound or the path of a file, alone or in its column.

        Paths are read: give it only what the person at this machine named.
        """
        return media_row(given, self.columns[0], "sound")

    def _texts(self, found: Array, target: Ragged) -> tuple[list[str], list[str]]:
        """Truths and answers."""
        truths = [self.transcribing.decode(part) for part in target.parts()]
        return truths, [self.transcribing.decode(row) for row in found]


def transcript_column(facts: TableFacts) -> ColumnFacts | None:
    """The column that is called a transcript, or else the longest that reads like one."""
    texts = [column for column in facts.columns if column.is_text and column.name != PATH]
    named = [column for name in _NAMES for column in texts if column.name.lower() == name]
    prose = [column for column in texts if is_prose(column)]
    return next(iter(named), max(prose, key=lambda column: column.length, default=None))


def _transcripts(view: View, fit: Fit, split: str | None) -> tuple[Counter[str], int]:
    """The transcripts of a split with how often each stands there, and how many rows have none.

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
            counts[" ".join(text.split())] += 1
    if not any(map(normalised, counts)):
        raise LeptonError(
            f'the column "{fit.target}" has no transcript',
            where=f"{view.version.ref}, {split} split" if split else view.version.ref,
            hint="Name another column with --target.",
        )
    return counts, missing


def _longest(view: View, column: str, split: str | None) -> int:
    """Whole seconds that hold the sounds of a split, and some longer ones."""
    longest = 0.0
    for batch in view.batches([column], split=split):
        for content in values(batch, column):
            try:
                samples, rate = audio.decode(content)
            except (ValueError, EOFError, TypeError):
                continue  # named when it is to be heard
            longest = max(longest, len(samples) / rate)
    return max(1, min(LONGEST, math.ceil(_ROOM * longest)))
