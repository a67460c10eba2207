"""Small files to import, written where a test wants them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.data.lake.lake import Lake
from core.data.sources import ImportReport, Options, Reading, import_source


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(
    lake: Lake, source: Path | str, format: str | None = None, **said: Any
) -> tuple[ImportReport, list[tuple[Any, ...]]]:
    """Import with these options; the report, and the rows without their ids."""
    report = import_source(lake, source, "it", reading=Reading(format, Options(**said)))
    with lake.open(report.version) as view:
        return report, [row[1:] for row in view.page(0, 10_000)]


def types(report: ImportReport) -> dict[str, str]:
    return {column.name: column.type for column in report.version.columns}
