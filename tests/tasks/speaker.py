"""Speech made on this machine, by espeak-ng as its package on PyPI brings it along."""

import ctypes
import io
import wave
from functools import cache

import espeakng_loader
import numpy as np
import pyarrow as pa

_SYNCHRONOUS, _UTF8 = 2, 1
_RATE, _PITCH = 1, 3


class Speaker:
    """`speak(text, speed, pitch)`: a WAV of one channel; `speed` in words a minute, `pitch` to 100.

    One in a process, which `speaker` gives: the library keeps its own state.
    """

    def __init__(self, voice="en"):
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
        assert self.rate > 0
        self._heard = bytearray()
        kind = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
        )
        self._callback = kind(self._take)
        self._library.espeak_SetSynthCallback(self._callback)
        assert self._library.espeak_SetVoiceByName(voice.encode()) == 0

    def _take(self, samples, count, _events):
        if samples and count:
            self._heard += ctypes.string_at(samples, 2 * count)
        return 0

    def speak(self, text, speed=160, pitch=50):
        self._heard.clear()
        self._library.espeak_SetParameter(_RATE, speed, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        said = text.encode() + b"\0"
        size = ctypes.c_size_t(len(said))
        done = self._library.espeak_Synth(
            said, size, ctypes.c_uint(0), 0, ctypes.c_uint(0), ctypes.c_uint(_UTF8), None, None
        )
        assert done == 0
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(self.rate)
            file.writeframes(bytes(self._heard))
        return out.getvalue()


@cache
def speaker():
    """The one of this process."""
    return Speaker()


def spoken(words, count, most=1):
    """Rows with a split, a sound, and what is said in it: up to `most` of these words."""
    draw = np.random.default_rng(0)
    said = [" ".join(draw.choice(words, draw.integers(1, most + 1))) for _ in range(count)]
    sounds = [
        speaker().speak(text, int(draw.integers(130, 200)), int(draw.integers(20, 80)))
        for text in said
    ]
    train, judged = count * 7 // 10, count // 10
    splits = ["train"] * train + ["val"] * judged + ["test"] * (count - train - judged)
    return pa.table({"split": splits, "audio": sounds, "transcript": said})
