"""What a sound file holds, and whether it decodes. Plain WAV needs nothing but Python."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from typing import Any

from core.data.sources.signatures import sound_kind
from core.errors import LeptonError

FRAMES_AT_ONCE = 1 << 16
LONGEST_SECONDS = 24 * 3600
# Who writes into a pipe cannot know the length, and says the most that there can be.
UNKNOWN_LENGTH = 0xFFFF0000
LAST_PAGE = 0x04


@dataclass(frozen=True)
class Sound:
    """Length in seconds, samples in a second, channels."""

    seconds: float
    rate: int
    channels: int


def read_sound(content: bytes) -> Sound | str:
    """What these bytes hold once all of it has been decoded, or in words what is wrong.

    Raises:
        LeptonError: it is no plain WAV, and the library that reads others is not installed.
    """
    if not content:
        return "the file is empty"
    kind = sound_kind(content)
    if kind is None:
        return "the file is no sound that can be decoded"
    try:
        found = _plain_wav(content) if kind == "a WAV sound" else None
        return found or _decoded(content, kind)
    except (wave.Error, EOFError, ValueError, RuntimeError, ZeroDivisionError) as error:
        why = getattr(error, "error_string", str(error)) or "it is cut short"
        return f"the sound does not decode: {why}"


def _plain_wav(content: bytes) -> Sound | str | None:
    """The facts of a WAV of whole numbers; None where another library must look."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            width = file.getsampwidth() * file.getnchannels()
            promised, read = file.getnframes(), 0
            while piece := file.readframes(FRAMES_AT_ONCE):
                read += len(piece) // width
            return _judged(read, promised, file.getframerate(), file.getnchannels(), width)
    except wave.Error as error:
        if "unknown format" in str(error) or content[:4] == b"RF64":
            return None
        raise


def _judged(read: int, promised: int, rate: int, channels: int, width: int) -> Sound | str:
    if read < promised and promised * width < UNKNOWN_LENGTH:
        return f"the sound is cut short: {read:,} of {promised:,} samples"
    if not read:
        return "the sound has no length: there are no samples in it"
    if rate <= 0:
        return "the sound does not say its rate"
    return Sound(read / rate, rate, channels)


def _decoded(content: bytes, kind: str) -> Sound | str:
    soundfile = soundfile_library()
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        promised, read = int(file.frames), 0
        if promised > LONGEST_SECONDS * max(file.samplerate, 1):
            promised = 0
        while len(piece := file.read(FRAMES_AT_ONCE, dtype="float32")):
            read += len(piece)
            if read > LONGEST_SECONDS * file.samplerate:
                return f"the sound is longer than {LONGEST_SECONDS // 3600} hours"
        if kind == "an OGG sound" and not _ends(content):
            return "the sound is cut short: its last part is missing"
        return _judged(read, promised, int(file.samplerate), int(file.channels), 1)


def _ends(content: bytes) -> bool:
    """Whether the last page of an OGG file says that it is the last, and is there whole."""
    at = content.rfind(b"OggS")
    head = content[at : at + 27]
    if len(head) < 27 or not head[5] & LAST_PAGE:
        return False
    sizes = content[at + 27 : at + 27 + head[26]]
    return len(content) >= at + 27 + head[26] + sum(sizes)


def soundfile_library() -> Any:
    """The library that reads FLAC, OGG, MP3 and every kind of WAV.

    Raises:
        LeptonError: it is not installed.
    """
    try:
        import soundfile
    except ImportError as error:
        raise LeptonError(
            "sounds other than plain WAV are read by a library that is not installed",
            hint="Install it: pip install 'lepton-tui[audio]'",
        ) from error
    return soundfile
