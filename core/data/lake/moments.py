"""SQL for moments that are written as text.

DuckDB's TIMESTAMP takes "10:00+02:00", "10:00 Europe/Rome" and even "10:00 PM" for ten o'clock,
and says nothing of the rest.
"""

from __future__ import annotations

from core.data.lake.view import literal

# A date, and a time of day without anything after it.
_PLAIN = literal(r"[0-9/\\-]+([ T]+[0-9:.]+)?")
_GAP = literal(" +([+-][0-9:]+|Z)$")


def moment(text: str, *, strict: bool = False) -> str:
    """SQL for what a text says as a TIMESTAMP, in UTC where it names a zone.

    What is no moment is NULL, or ends the query where that is `strict`.
    """
    cast, as_zoned = ("CAST", "ELSE") if strict else ("TRY_CAST", f"WHEN {text} LIKE '%-%:%' THEN")
    zoned = f"{cast}(regexp_replace({text}, {_GAP}, '\\1') AS TIMESTAMP WITH TIME ZONE)"
    return (
        f"CASE WHEN regexp_full_match({text}, {_PLAIN}) THEN {cast}({text} AS TIMESTAMP)"
        f" {as_zoned} {zoned} AT TIME ZONE 'UTC' END"
    )


def names_zone(text: str) -> str:
    """SQL for whether a text that is a moment names its time zone."""
    return f"({text} LIKE '%-%:%' AND NOT regexp_full_match({text}, {_PLAIN}))"
