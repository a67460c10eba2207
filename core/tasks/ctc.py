"""Transcripts letter by letter, taught by CTC: a letter or nothing every few windows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from core.tasks.preprocessing import SoundReading
from core.tasks.transcribing import SURE, Transcribing
from core.tasks.transcripts import BLANK, Letters, normalised

if TYPE_CHECKING:
    from torch import Tensor, nn

    from core.tasks.base import Array, Batch
    from core.tasks.transcribing import Sounds

ANEW = "the pretrained model lacks some of the letters: they are learnt anew"


class Ctc(Transcribing):
    """Connectionist temporal classification (Graves et al. 2006) of normalised transcripts.

    `places` is which output of a pretrained model says each code; empty: the letters are learnt.
    With `level` such a model hears each sound with mean 0 and deviation 1.
    """

    kind: ClassVar[str] = "speech"

    def __init__(self, letters: Letters, *, level: bool = True, places: Sequence[int] = ()) -> None:
        self.letters = letters
        self.level = level
        self.places = tuple(places)

    @classmethod
    def learn(cls, counts: Mapping[str, int], reading: SoundReading | None) -> tuple[Ctc, str]:
        """From transcripts with how often each stands there; and a note, or nothing."""
        plain: Counter[str] = Counter()
        for text, times in counts.items():
            plain[normalised(text)] += times
        if reading is None:
            return cls(Letters.learn(plain)), ""
        if taken := Letters.taken_over(reading, plain):
            letters, places = taken
            return cls(letters, level=reading.level, places=places), ""
        return cls(Letters.learn(plain), level=reading.level), ANEW

    @classmethod
    def from_json(cls, codec: Mapping[str, Any]) -> Ctc:
        return cls(
            Letters(tuple(codec["letters"])),
            level=bool(codec.get("level", True)),
            places=tuple(map(int, codec.get("places", ()))),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "letters": list(self.letters.known),
            "level": self.level,
            "places": list(self.places),
        }

    @property
    def shape(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "level": self.level,
            "places": list(self.places),
            "outputs": self.letters.size,
        }

    @property
    def at_once(self) -> int:
        return 32

    def encode(self, text: str) -> Array:
        return self.letters.encode(normalised(text))

    def decode(self, codes: Iterable[float]) -> str:
        return self.letters.decode(codes)

    def arguments(self, batch: Batch) -> tuple[Tensor, ...]:
        return ()

    def loss(self, outputs: tuple[Tensor, Tensor], batch: Batch) -> Tensor:
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

    def naive(self, text: str, batch: Batch) -> tuple[Tensor, Tensor]:
        import torch

        target = batch["target"]
        codes = self.encode(text)
        frames = 2 * max(len(codes), target.shape[1]) + 1
        said = torch.full((frames,), BLANK)
        said[1 : 2 * len(codes) : 2] = torch.from_numpy(codes).long()
        size = self.letters.size
        chances = torch.full((frames, size), (1 - SURE) / (size - 1))
        chances[torch.arange(frames), said] = SURE
        logits = chances.log().to(target.device).expand(len(target), -1, -1)
        return logits, torch.full((len(target),), frames, device=target.device)

    def keep(self, outputs: tuple[Tensor, Tensor]) -> Tensor:
        """The likeliest codes without their repeats and blanks."""
        import torch

        logits, lengths = outputs
        codes = logits.argmax(-1)
        before = torch.nn.functional.pad(codes[:, :-1], (1, 0), value=BLANK)
        place = torch.arange(codes.shape[1], device=codes.device)
        said = (codes != BLANK) & (codes != before) & (place < lengths[:, None])
        first = (~said).int().argsort(dim=1, stable=True)
        most = max(1, int(said.sum(1).max()))
        return codes.masked_fill(~said, -1).gather(1, first)[:, :most].float()

    def said(self, module: nn.Module, sounds: Sounds, outputs: Any = None) -> Tensor:
        return self.keep(module(*sounds) if outputs is None else outputs)
