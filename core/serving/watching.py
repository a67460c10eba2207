"""How a service does, told to whoever can open its socket: this user alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic_core import to_json

from core.inference.door import listen


class Watching:
    """Writes one JSON document to whoever connects, and hangs up."""

    def __init__(self, path: Path, tell: Callable[[], dict[str, Any]]) -> None:
        self._path = path
        self._tell = tell
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Raises OSError when the socket cannot be made."""
        self._server = await asyncio.start_unix_server(self._said, sock=listen(self._path))

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _said(self, _: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        # Whoever watches may leave at any moment.
        with suppress(ConnectionError):
            out.write(to_json(self._tell(), inf_nan_mode="null", fallback=str))
            await out.drain()
        out.close()
