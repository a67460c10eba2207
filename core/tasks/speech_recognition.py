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
from core.options import Option, resolved
from core.tasks.base import Fit, Task
from core.tasks.facts import ColumnFacts, TableFacts
from core.tasks.ragged import Ragged
from core.tasks.rows import PATH, label_text, place, skipped_note, values
from core.tasks.text_classification import is_prose
from core.tasks.transcripts import BLANK, Letters, error_rates, normalised, word_errors

if TYPE_CHECKING:
    from torch import Tensor

    from core.tasks.base import Array, Arrays, Batch, Rows

RATE = 16_000
"""Samples a second that all sounds are brought to."""
MELS = 64
LEAST = 400
"""Samples of one window; a shorter sound is filled up with silence."""
_LOUD = 32_767
_NAMES = ("transcript", "transcription", "sentence", "text", "utterance", "words")
_WORST = 20
_SURE = 0.9


class SpeechRecognition(Task):
    """What is said in a sound.

    Sounds are kept as samples, int16, in one channel at `RATE`; the device makes the log-mel
    spectrograms, so that augmentations change the sound itself. The model says a letter or
    nothing every few windows and is taught by CTC (Graves et al. 2006).
    """

    name: ClassVar[str] = "automatic-speech-recognition"
    summary: ClassVar[str] = "what is said in a sound"
    needs: ClassVar[str] = "a column of sounds and a column of transcripts"
    reads: ClassVar[str] = "audio"
    gives: ClassVar[str] = "text"
    architectures: ClassVar[tuple[str, ...]] = ("speech-gru",)
    metric: ClassVar[str] = "word_error_rate"
    higher_is_better: ClassVar[bool] = False
    options: ClassVar[tuple[Option, ...]] = (
        Option("mels", MELS, "bands of pitch that a sound is told in", 8, 128),
    )

    def __init__(
        self,
        column: str,
        target: str,
        letters: Letters,
        *,
        commonest: str,
        mels: int,
        notes: Sequence[str] = (),
    ) -> None:
        self.columns = (column,)
        self.target = target
        self.letters = letters
        self.commonest = commonest
        self.mels = mels
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
    ) -> Self:
        mels = resolved(cls.options, options or {}, cls.name)["mels"]
        counts, missing = _transcripts(view, fit, split)
        return cls(
            fit.inputs[0],
            fit.target,
            Letters.learn(counts),
            commonest=counts.most_common(1)[0][0],
            mels=mels,
            notes=(*fit.notes, *skipped_note(fit.target, missing)),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "column": self.columns[0],
            "target": self.target,
            "letters": list(self.letters.known),
            "commonest": self.commonest,
            "mels": self.mels,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Self:
        return cls(
            codec["column"],
            codec["target"],
            Letters(tuple(codec["letters"])),
            commonest=codec["commonest"],
            mels=int(codec["mels"]),
            notes=codec["notes"],
        )

    @property
    def shape(self) -> dict[str, Any]:
        return {"kind": "speech", "mels": self.mels, "outputs": self.letters.size}

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
        """A sound in one channel at `RATE`, int16 [samples]."""
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
        one = audio.resample(samples.mean(1, keepdims=True), rate, RATE)[:, 0]
        whole = (one.clip(-1, 1) * _LOUD).round().astype(np.int16)
        return np.pad(whole, (0, max(0, LEAST - len(whole))))

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Log-mel spectrograms, float32 [n, frames, mels], and the frames of each, int64 [n]."""
        from core.tasks.spectrogram import log_mel

        return log_mel(batch["audio"], batch["audio_length"], RATE, self.mels)

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

    def scores(self, found: Array, target: Ragged) -> dict[str, float]:
        truths, answers = self._texts(found, target)
        exact = sum(truth == answer for truth, answer in zip(truths, answers, strict=True))
        return {**error_rates(truths, answers), "exact_match": exact / max(1, len(truths))}

    def report(self, found: Array, target: Ragged) -> dict[str, Any]:
        truths, answers = self._texts(found, target)
        errors = word_errors(truths, answers)
        rates = errors / np.array([max(1, len(truth.split())) for truth in truths])
        worst = [at for at in np.argsort(-rates, kind="stable")[:_WORST] if errors[at]]
        return {
            "mistakes": [
                {
                    "row": int(at),
                    "truth": truths[at],
                    "answer": answers[at],
                    "error": float(rates[at]),
                }
                for at in worst
            ]
        }

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
