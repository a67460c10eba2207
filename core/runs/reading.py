"""Reading a run's log on and on. What a long one came to is kept beside it, and read instead."""

from __future__ import annotations

import io
import json
import os
import zlib
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

from core import atomic
from core.runs.events import EventReader
from core.runs.history import RunHistory
from core.runs.run import Run
from core.runs.series import Series

KEPT_NAME = "history.npz"
FORMAT = 1
KEEP_AFTER = 4 * 1024 * 1024  # bytes of log: a tenth of a second's reading
KEEP_ON_THE_WAY = 64 * 1024 * 1024
_SEEN = 4096


class HistoryReader:
    """What a run's log amounts to, read piece by piece.

    Ten million steps take a minute to read and a file of some megabytes to keep, so the second
    time only what came since is read. The kept file may be missing, damaged, of another version or
    of another log: then all is read again. Used from one thread at a time.
    """

    def __init__(self, run: Run) -> None:
        self.history = RunHistory()
        self._reader = EventReader(run.events_path)
        self._kept_path = run.path / KEPT_NAME
        self._kept_to = 0
        self._load()

    @property
    def offset(self) -> int:
        """The bytes of the log that were read."""
        return self._reader.offset

    def read(self) -> bool:
        """Read the next piece, some thousand events; False at the end of the log as it is now."""
        piece = self._reader.read()
        for event in piece:
            self.history.feed(event)
        unkept = self.offset - self._kept_to
        if unkept > (KEEP_ON_THE_WAY if piece else KEEP_AFTER):
            self._keep()
        return bool(piece)

    def read_all(self) -> RunHistory:
        """Read to the end of the log as it is now."""
        while self.read():
            pass
        return self.history

    def _load(self) -> None:
        import numpy as np

        # Whatever is wrong with what was kept, the log itself is still there.
        with suppress(OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile):
            with np.load(self._kept_path, allow_pickle=False) as kept:
                told = json.loads(kept["told"].tobytes())
                if told["format"] != FORMAT or not _stands(self._reader.path, told):
                    return
                series = {
                    name: Series.from_arrays(
                        {part: kept[f"{at}.{part}"] for part in ("bundles", "newest", "each")}
                    )
                    for at, name in enumerate(told["series"])
                }
            self.history = RunHistory.from_json(told["history"], series)
            self._reader.offset = self._kept_to = told["offset"]

    def _keep(self) -> None:
        import numpy as np

        self._kept_to = self.offset
        told = {
            "format": FORMAT,
            "offset": self.offset,
            "seen": _seen(self._reader.path, self.offset),
            "series": list(self.history.series),
            "history": self.history.to_json(),
        }
        arrays = {"told": np.frombuffer(json.dumps(told).encode(), np.uint8)}
        for at, series in enumerate(self.history.series.values()):
            arrays |= {f"{at}.{part}": values for part, values in series.arrays().items()}
        packed = io.BytesIO()
        np.savez(packed, **arrays)  # type: ignore[arg-type]
        # A full disk or another person's folder: it is read again the next time.
        with suppress(OSError):
            atomic.write_bytes(self._kept_path, packed.getvalue())


def _stands(log: Path, told: dict[str, int]) -> bool:
    """Whether this is still the log that was read, or grew from it."""
    return log.stat().st_size >= told["offset"] and _seen(log, told["offset"]) == told["seen"]


def _seen(log: Path, offset: int) -> int:
    """A checksum of the last bytes before a place."""
    with log.open("rb") as file:
        return zlib.crc32(os.pread(file.fileno(), _SEEN, max(0, offset - _SEEN)))
