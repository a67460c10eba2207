"""The steps that mend what a check found: few of many, and as a recipe to go through."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.atomic import write_text
from core.data.cleaning.recipe import Recipe
from core.data.quality.finding import Finding
from core.errors import UsageError

DROP = "drop-columns"
_EACH_COLUMN = frozenset(
    {DROP, "cast", "clip-outliers", "drop-rows", "fill", "map-values", "parse-dates"}
)
"""Steps that do to several columns what they do to each."""
_ORDER = (
    "derive",
    "map-values",
    "cast",
    "parse-dates",
    "drop-duplicates",
    "drop-near-duplicates",
    "clip-outliers",
    "fill",
    "drop-rows",
)
"""What writes cells anew comes before what tells equal rows, and what empties cells before what
fills them. Other steps come next, and what drops columns last."""


def place(step: Mapping[str, Any]) -> int:
    """Where a step stands among others, so that none undoes another."""
    if step["do"] == DROP:
        return len(_ORDER) + 1
    return _ORDER.index(step["do"]) if step["do"] in _ORDER else len(_ORDER)


def joined(steps: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The steps in as few as can be: those that do the same to other columns are one.

    They come by what they do, so that none undoes another (`place`). Columns that are to be dropped
    are dropped last, and what else would be done to them is left out.
    """
    dropped = {name for step in steps if step["do"] == DROP for name in step["columns"]}
    made: dict[str, dict[str, Any]] = {}
    for step in sorted(steps, key=place):
        each = step["do"] in _EACH_COLUMN
        columns = list(step.get("columns", ()))
        if each and step["do"] != DROP:
            columns = [name for name in columns if name not in dropped]
        if (each and not columns) or step.get("column") in dropped:
            continue
        same = json.dumps({**step, "columns": None} if each else step, sort_keys=True)
        if same not in made:
            made[same] = {**step, "columns": columns} if columns else dict(step)
        elif each:
            known = made[same]["columns"]
            known += [name for name in columns if name not in known]
    return list(made.values())


def mending_recipe(ref: str, findings: Sequence[Finding]) -> str:
    """A recipe of the steps that findings offer, each below its finding and all as comments.

    They were found one by one: a step may be of no use after another, such as one on a column that
    an earlier one drops.
    """
    lines = [
        f"What a check of {ref} found, and the steps that mend it.",
        "Take the # off the steps that you want, one by one: some stand in the way of others.",
        f"Then: lepton data clean {ref.partition('@')[0]} --recipe FILE --preview",
    ]
    blocks = ["\n".join(f"# {line}" for line in lines)]
    mended = [each for each in findings if each.mend is not None]
    for finding in sorted(mended, key=lambda each: place(each.mend or {})):
        assert finding.mend is not None
        of = f"{finding.column}: " if finding.column else ""
        told = " ".join(f"{finding.severity}, {of}{finding.what}".split())
        step = Recipe.of([finding.mend]).to_toml().splitlines()
        blocks.append("\n".join([f"# {told}", *(f"# {line}" for line in step)]))
    return "\n\n".join(blocks) + "\n"


def save_mending_recipe(path: Path, ref: str, findings: Sequence[Finding]) -> int:
    """Write that recipe into a new file; how many steps it has.

    Raises:
        UsageError: something is there already, or it cannot be written.
    """
    if path.exists():
        raise UsageError("something is there already", where=str(path), hint="Name a new file.")
    try:
        write_text(path, mending_recipe(ref, findings))
    except OSError as error:
        raise UsageError(
            f"the recipe cannot be written: {error.strerror}", where=str(path)
        ) from error
    return sum(finding.mend is not None for finding in findings)
