"""The steps that mend what a check found, as a recipe for a person to go through."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.atomic import write_text
from core.data.cleaning.recipe import Recipe
from core.data.quality.finding import Finding
from core.errors import UsageError


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
    for finding in findings:
        if finding.mend is None:
            continue
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
