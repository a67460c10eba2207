"""The pictures and sounds of a column: sizes, lengths, and how they are encoded."""

from __future__ import annotations

import io
from collections import Counter
from typing import Any

from core.data.lake.view import ROW_ID, View, quoted
from core.data.sources.media.pictures import MOST_PIXELS
from core.data.sources.media.sounds import read_sound
from core.data.sources.signatures import sound_kind
from core.errors import LeptonError

LOOKED_AT = 256
TOP = 10


def images(view: View, column: str) -> dict[str, Any]:
    """Sizes, modes, formats and brightness of images taken at even distances."""
    import numpy as np
    from PIL import Image

    sizes: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    brightness: list[float] = []
    contents = _some(view, column)
    for content in contents:
        try:
            with Image.open(io.BytesIO(content)) as image:
                sizes[f"{image.width}x{image.height}"] += 1
                modes[image.mode] += 1
                formats[image.format or "?"] += 1
                if image.width * image.height <= MOST_PIXELS:
                    brightness.append(float(np.asarray(image.convert("L")).mean()) / 255)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            formats["undecodable"] += 1
    return {
        "looked_at": len(contents),
        "sizes": dict(sizes.most_common(TOP)),
        "modes": dict(modes.most_common()),
        "formats": dict(formats.most_common()),
        "brightness": round(sum(brightness) / len(brightness), 4) if brightness else None,
        "mean_bytes": _mean_bytes(contents),
    }


def sounds(view: View, column: str) -> dict[str, Any]:
    """Lengths, rates, channels and formats of sounds taken at even distances.

    `problem` says in words why there are none of them, such as a package that is not installed.
    """
    formats: Counter[str] = Counter()
    rates: Counter[int] = Counter()
    channels: Counter[int] = Counter()
    seconds: list[float] = []
    problem = ""
    contents = _some(view, column)
    for content in contents:
        try:
            found = read_sound(content)
        except LeptonError as error:
            problem = f"{error.what}. {error.hint}"
            break
        if isinstance(found, str):
            formats["undecodable"] += 1
            continue
        formats[sound_kind(content[:16]) or "?"] += 1
        seconds.append(found.seconds)
        rates[found.rate] += 1
        channels[found.channels] += 1
    return {
        "looked_at": len(contents),
        "seconds": {
            "shortest": round(min(seconds), 3),
            "longest": round(max(seconds), 3),
            "mean": round(sum(seconds) / len(seconds), 3),
        }
        if seconds
        else None,
        "rates": {str(rate): n for rate, n in rates.most_common()},
        "channels": {str(number): n for number, n in channels.most_common()},
        "formats": dict(formats.most_common()),
        "mean_bytes": _mean_bytes(contents),
        "problem": problem,
    }


def _some(view: View, column: str) -> list[bytes]:
    every = max(1, view.version.rows // LOOKED_AT)
    name = quoted(column)
    found = view.sql(
        f"SELECT {name} FROM rows WHERE {name} IS NOT NULL AND {ROW_ID} % ? = 0 LIMIT {LOOKED_AT}",
        [every],
    )
    return [content for (content,) in found]


def _mean_bytes(contents: list[bytes]) -> int:
    return round(sum(map(len, contents)) / len(contents)) if contents else 0
