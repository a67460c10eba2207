"""A sound in a terminal: its length, and its wave as a line of bars."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.message import Message
from textual.widget import Widget

from screens.text import BARS, counted, human_duration

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Loudness = npt.NDArray[np.float64]


COLUMNS = 512
FRAMES_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Heard:
    """What a sound is: seconds, frames in a second, channels, and the loudest of each stretch."""

    seconds: float
    rate: int
    channels: int
    peaks: Loudness

    @property
    def said(self) -> str:
        length = human_duration(self.seconds) if self.seconds >= 10 else f"{self.seconds:.2f} s"
        return f"{length} · {self.rate:,} Hz · {counted(self.channels, 'channel')}"


def heard(content: bytes) -> Heard:
    """Decode a sound in pieces, whatever its length.

    Raises:
        ValueError: it cannot be decoded, or the package for it is not installed; in words.
    """
    import numpy as np

    try:
        import soundfile  # type: ignore[import-untyped,import-not-found,unused-ignore]
    except ImportError as error:
        raise ValueError("to hear of sounds: pip install 'lepton-tui[audio]'") from error
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            frames, rate, channels = len(file), file.samplerate, file.channels
            peaks = np.zeros(COLUMNS)
            at = 0
            while len(piece := file.read(FRAMES_AT_ONCE, dtype="float32", always_2d=True)):
                loud = np.abs(piece).max(axis=1)
                columns = np.arange(at, at + len(loud)) * COLUMNS // max(frames, at + len(loud))
                np.maximum.at(peaks, columns, loud)
                at += len(loud)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise ValueError("these bytes are not a sound that can be read") from error
    return Heard(at / rate, rate, channels, peaks)


def wave(peaks: Loudness, width: int) -> tuple[str, str]:
    """Two lines of bars, the upper and the lower half of the loudness in `width` columns."""
    if width < 1 or not len(peaks):
        return "", ""
    places = [range(i * len(peaks) // width, (i + 1) * len(peaks) // width) for i in range(width)]
    found = [
        float(peaks[r.start : max(r.stop, r.start + 1)].max()) if r.start < len(peaks) else 0.0
        for r in places
    ]
    most = max(found) or 1.0
    eighths = [round(value / most * 16) for value in found]
    upper = "".join(BARS[max(0, each - 8)] for each in eighths)
    lower = "".join(BARS[min(8, each)] for each in eighths)
    return upper, lower


class SoundView(Widget):
    """Draws a sound under its label; what cannot be decoded says so in words."""

    @dataclass
    class _Heard(Message):
        content: bytes
        answer: Heard | str

        bubble: ClassVar[bool] = False

    def __init__(self, content: bytes | None = None) -> None:
        super().__init__()
        self._label = ""
        self._content = content
        self._answer: Heard | str = "…"

    def show(self, content: bytes, label: str = "") -> None:
        """Show another sound; the one before stays until it is decoded."""
        self._label, self._content = label, content
        if self.is_attached:
            self._hear()

    def on_mount(self) -> None:
        self._hear()

    def _hear(self) -> None:
        content = self._content
        if content is None:
            return

        def work() -> None:
            try:
                self.post_message(self._Heard(content, heard(content)))
            except ValueError as error:
                self.post_message(self._Heard(content, str(error)))

        self.run_worker(work, thread=True, group="hear", exclusive=True, exit_on_error=False)

    def on_sound_view__heard(self, message: _Heard) -> None:
        if message.content is self._content:
            self._answer = message.answer
            self.refresh()

    def render(self) -> Text:
        label = f"{self._label}  " if self._label else ""
        if isinstance(self._answer, str):
            return Text(label + self._answer, "dim")
        upper, lower = wave(self._answer.peaks, self.size.width)
        said = f"{label}{self._answer.said}"
        return Text.assemble((said, "dim"), "\n", (f"{upper}\n{lower}", "cyan"))
