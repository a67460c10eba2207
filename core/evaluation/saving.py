"""A report as files: JSON for programs, Markdown and HTML for people."""

from __future__ import annotations

from pathlib import Path

from core.atomic import write_json, write_text
from core.evaluation.html import to_html
from core.evaluation.markdown import to_markdown
from core.evaluation.report import JSON, Report

MARKDOWN, HTML = "report.md", "report.html"


def save(report: Report, folder: Path) -> dict[str, str]:
    """Write all forms; their paths under "json", "markdown" and "html"."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / JSON, report.to_json())
    write_text(folder / MARKDOWN, to_markdown(report))
    write_text(folder / HTML, to_html(report))
    names = {"json": JSON, "markdown": MARKDOWN, "html": HTML}
    return {form: str(folder / name) for form, name in names.items()}
