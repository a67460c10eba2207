"""How pictures and sounds are known: by their names, and by their first bytes."""

from __future__ import annotations

IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
SOUND_SUFFIXES = frozenset({".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3"})
IMAGE_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
}


def image_kind(head: bytes) -> str | None:
    """ "a PNG image" and the like when the bytes begin as an image does, else None."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP image"
    return next((kind for magic, kind in IMAGE_MAGIC.items() if head.startswith(magic)), None)


def sound_kind(head: bytes) -> str | None:
    """ "a WAV sound" and the like when the bytes begin as a sound does, else None."""
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "a WAV sound"
    if head[:4] == b"fLaC":
        return "a FLAC sound"
    if head[:4] == b"OggS":
        return "an OGG sound"
    if head[:3] == b"ID3" or head[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa"):
        return "an MP3 sound"
    return None
