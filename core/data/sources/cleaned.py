"""A recipe on rows that arrive: cleaned before they are kept, without a version in between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.data.cleaning.compile import compile_recipe
from core.data.cleaning.recipe import Recipe
from core.data.lake.version import Column
from core.data.lake.view import ROW_ID, literal
from core.data.sources.desk import Arrived, Desk
from core.data.sources.keep import telling


def cleaned(
    desk: Desk,
    arrived: Arrived,
    recipe: Recipe,
    target: str | None,
    inputs: Sequence[str] | None,
) -> tuple[Arrived, list[dict[str, Any]]]:
    """What a recipe makes of the rows, and its steps with what they learned and did.

    Raises:
        UsageError: a step does not suit the columns.
        LeptonError: the rows cannot be read, or a step cannot take a value.
    """
    with telling(desk):
        relation, readable = _rows(desk, arrived)
        described = desk.connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        columns = [
            Column(name, kind, arrived.media.get(name))
            for name, kind, *_ in described
            if name != ROW_ID
        ]
        # What is left out is told after the recipe; a person's SQL locks the connection before.
        desk.rejected_rows()
        made = compile_recipe(
            desk.connection,
            relation,
            columns,
            recipe,
            target=target,
            inputs=inputs,
            readable=readable,
            writable=desk.workspace.tmp,
            should_stop=desk.should_stop,
        )
    return Arrived(made.query, made.names, made.media, made.in_order), made.to_json()


def _rows(desk: Desk, arrived: Arrived) -> tuple[str, list[Path]]:
    """A relation with row ids that is cheap to read often, and the files it lies in."""
    if isinstance(arrived.rows, str):
        return f"(SELECT rowid AS {ROW_ID}, * FROM {desk.table(arrived.rows)})", []
    path = arrived.rows
    if not isinstance(path, Path):
        desk.connection.register("stream", path)
        path, _ = desk.write("SELECT * FROM stream")
    place = f"SELECT file_row_number AS {ROW_ID}, * EXCLUDE (file_row_number)"
    read = f"read_parquet({literal(str(path))}, file_row_number = true)"
    return f"({place} FROM {read})", [path]
