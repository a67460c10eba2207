"""The one way to a DuckDB: in memory, within the limit, spilling into the workspace."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from core import memory
from core.workspace import Workspace

if TYPE_CHECKING:
    import duckdb

A_THREAD = 125_000_000
"""Bytes that each of DuckDB's threads needs to work; with less, fewer of them work."""


def connect(
    workspace: Workspace | None = None, *, most: int | None = None
) -> duckdb.DuckDBPyConnection:
    """A DuckDB of its own, which takes `most` bytes of memory and never more than the limit.

    What does not fit (a sort, a join, an aggregate) goes to a folder in the workspace's `tmp`,
    which is made when it is needed and goes with the connection; after a kill, with the next
    `lepton data gc`. Without a workspace nothing is spilled: for queries that only stream.

    Raises:
        UsageError: `LEPTON_MEMORY` is no amount of memory.
    """
    import duckdb

    allowed = memory.limit() if most is None else min(most, memory.limit())
    # A folder of its own: two processes that spilled into one would take each other's files.
    spill = workspace.tmp / f"{os.getpid()}-{uuid4().hex}.spill" if workspace else ""
    config = {"memory_limit": f"{allowed // 1024}KiB", "temp_directory": str(spill)}
    threads = max(1, allowed // A_THREAD)
    if threads < (os.cpu_count() or 1):
        config["threads"] = str(threads)
    connection = duckdb.connect(config=config)
    # Else the same step would read other times on a machine in another zone.
    connection.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    return connection


def interrupt(connection: duckdb.DuckDBPyConnection) -> None:
    """Stop what another thread waits for; a connection that it has closed by then is left alone."""
    import duckdb

    with suppress(duckdb.ConnectionException):
        connection.interrupt()
