"""The old place of the checks, until every screen asks for the new one."""

from __future__ import annotations

from core.data.quality.check import Finding, check

__all__ = ["Finding", "check"]
