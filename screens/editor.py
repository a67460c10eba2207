"""A person's own editor, which takes the terminal while it is open."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from textual.app import App, SuspendNotSupported

from core.errors import LeptonError


def edit_file(app: App[object], path: Path) -> None:
    """Open a file in `$VISUAL` or `$EDITOR`, else in nano or vi; return when it was left.

    Raises:
        LeptonError: there is no editor, or no terminal for it.
    """
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    found = named or next(filter(None, map(shutil.which, ("nano", "vim", "vi"))), None)
    hint = f"Open it yourself: {path}"
    if found is None:
        raise LeptonError("there is no editor", hint=f"Set EDITOR. {hint}")
    try:
        with app.suspend():
            subprocess.run([*shlex.split(found), str(path)], check=False)
    except SuspendNotSupported as error:
        raise LeptonError("the terminal cannot be lent to an editor", hint=hint) from error
    except (OSError, ValueError) as error:
        raise LeptonError(f'the editor "{found}" cannot be started: {error}', hint=hint) from error
