"""Speech made on this machine, by espeak-ng as its package on PyPI brings it along."""

import ctypes
import io
import wave

import espeakng_loader

_SYNCHRONOUS, _UTF8 = 2, 1
_RATE, _PITCH = 1, 3


class Speaker:
    """`speak(text, speed, pitch)`: a WAV of one channel; `speed` in words a minute, `pitch` to 100.

    One voice in a process: the library keeps its own state.
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
