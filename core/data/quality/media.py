"""Images and sound that do not decode."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from core.data.lake.view import View
from core.data.quality.finding import Finding, drop_named, named, stop_if
from core.errors import LeptonError

LOOKED_AT = 20_000
AT_ONCE = 256
WORDS = {"image": "image", "audio": "recording"}

Fault = Callable[[bytes], str | None]


def check_media(view: View, should_stop: Callable[[], bool]) -> Iterator[Finding]:
    """Media that do not decode; of very many, those at even distances are tried."""
    from core.data.sources.media.image_folder import image_fault

    faults: dict[str, Fault] = {"image": image_fault, "audio": audio_fault}
    for column in view.version.columns:
        if column.media not in faults:
            continue
        bad, tried = _undecodable(view, column.name, faults[column.media], should_stop)
        if not bad:
            continue
        one = WORDS[column.media]
        by_name = "path" in view.version.column_names
        first = f"; the first is {view.rows(bad[:1], ['path'])[0]['path']}" if by_name else ""
        of = f" of {tried:,} that were tried" if tried < view.version.rows else ""
        yield Finding(
            "error",
            "undecodable",
            column.name,
            what=f"{len(bad):,} {one}{' does' if len(bad) == 1 else 's do'} not decode{of}{first}",
            hint="Remove these rows or bring the files again.",
            mend=drop_named(bad),
            **named(bad),
        )


def _undecodable(
    view: View, column: str, fault: Fault, should_stop: Callable[[], bool]
) -> tuple[list[int], int]:
    """The ids of rows whose bytes do not decode, and how many rows were tried."""
    every = -(-view.version.rows // LOOKED_AT)
    bad: list[int] = []
    tried = 0
    with ThreadPoolExecutor(4, thread_name_prefix="decode") as pool:
        for batch in view.batches([column], rows=AT_ONCE):
            stop_if(should_stop())
            held = [
                (row, content.as_py())
                for row, content in zip(batch.column(0).to_pylist(), batch.column(1), strict=True)
                if row % every == 0 and content.is_valid
            ]
            tried += len(held)
            found = pool.map(fault, [content for _, content in held])
            bad += [row for (row, _), told in zip(held, found, strict=True) if told]
    return bad, tried


def audio_fault(content: bytes) -> str | None:
    """What keeps these bytes from being sound, or None when they decode whole.

    A format that only the package soundfile reads is taken as good where that is not installed.
    """
    from core.data.cleaning.steps.audio import decode

    if not content:
        return "the file is empty"
    try:
        samples, _ = decode(content)
        if (
            content[:4] == b"RIFF"
            and (told := _frames(content)) is not None
            and len(samples) < told
        ):
            return f"the sound is cut short: {len(samples):,} of {told:,} samples"
    except LeptonError:
        return None
    except (ValueError, EOFError, wave.Error) as error:
        return f"the sound does not decode: {error}"
    return None


def _frames(content: bytes) -> int | None:
    """How many frames the header of a plain WAV promises."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            return int(file.getnframes())
    except (wave.Error, EOFError):
        return None
