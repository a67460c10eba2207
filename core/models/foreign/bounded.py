"""Files from elsewhere are read by a process of its own, which may take only so much memory.

What a hostile file can still do is ask for more; it ends that process then, and no other.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from core.errors import LeptonError

_SPARE = 1 << 30
_SECONDS = 600


def run(module: str, path: Path, *more: str) -> str:
    """What `module`, whose main is `answering`, says of a file.

    Raises:
        LeptonError: what it raised, or that it ended.
    """
    done = subprocess.run(
        [sys.executable, "-P", "-m", module, str(path), *more],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return done.stdout
    try:
        error = LeptonError.from_json(json.loads(done.stdout))
    except (ValueError, KeyError):
        error = LeptonError(
            "it could not be read, and the process that read it ended",
            hint="It is damaged, or harmful.",
        )
    error.place(str(path))
    raise error


def answering(main: Callable[..., str]) -> None:
    """Call it with the command's arguments as paths, and print what it returns, or its error."""
    paths = [Path(each) for each in sys.argv[1:]]
    _bound(paths[0].stat().st_size)
    try:
        sys.stdout.write(main(*paths))
    except LeptonError as refused:
        sys.stdout.write(json.dumps(refused.to_json()))
        sys.exit(refused.exit_code)


def _bound(size: int) -> None:
    """Leave room for a few copies of the file, and a bound on the time."""
    room = psutil.Process().memory_info().vms + 4 * size + _SPARE
    _lower(resource.RLIMIT_AS, room)
    _lower(resource.RLIMIT_CPU, _SECONDS)


def _lower(what: int, to: int) -> None:
    _, most = resource.getrlimit(what)
    resource.setrlimit(what, (to if most == resource.RLIM_INFINITY else min(to, most), most))
