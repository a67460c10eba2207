"""Small pictures and sounds."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
from PIL import Image


def picture(value: int = 0, kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", size, (value % 256, 0, 255 - value % 256)).save(held, kind)
    return held.getvalue()


def mask(value: int = 1, size: tuple[int, int] = (8, 6)) -> bytes:
    held = io.BytesIO()
    Image.new("L", size, value).save(held, "PNG")
    return held.getvalue()


def samples(frames: int, channels: int = 1, pitch: float = 440.0, rate: int = 8000) -> np.ndarray:
    """(frames, channels) from -0.5 to 0.5."""
    time = np.arange(frames)[:, None] / rate
    return np.repeat(np.sin(2 * np.pi * pitch * time) / 2, channels, axis=1)


def wav(frames: int, rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        whole = (samples(frames, channels, rate=rate) * 32000).astype("<i2")
        file.writeframes(whole.tobytes() if width == 2 else bytes(frames * channels * width))
    return held.getvalue()


def encoded(format: str, frames: int = 4000, rate: int = 8000, channels: int = 1) -> bytes:
    """The same sound as FLAC, OGG, MP3 or another kind of WAV ("FLOAT")."""
    import soundfile

    held = io.BytesIO()
    held.name = f"a.{format.lower()}"
    subtype = "FLOAT" if format == "FLOAT" else None
    kind = "WAV" if format == "FLOAT" else format
    soundfile.write(held, samples(frames, channels, rate=rate), rate, subtype, format=kind)
    return held.getvalue()


def png_head(width: int, height: int) -> bytes:
    """A picture that says how large it is, and holds nothing."""
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
