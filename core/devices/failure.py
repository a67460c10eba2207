"""A device that fails: what torch says of it, and whether it answers again."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from core.devices import AS_LISTED
from core.errors import first_line

ANSWERS_WITHIN = 120.0
_SAYS = re.compile(
    r"\b(CUDA|HIP|XPU)( driver)? error\b|\bCU(BLAS|DNN|SOLVER)_STATUS_"
    r"|GPU is lost|fallen off the bus|DEVICE_LOST",
    re.IGNORECASE,
)
_MEMORY = re.compile(r"out of memory|ALLOC_FAILED", re.IGNORECASE)
_CHECK = "device-side assert"


def failure(error: BaseException) -> str | None:
    """What a device said that failed under the work, in a line; None: it is another error.

    It may be behind the one that was raised. A full memory is no failure.
    """
    found: BaseException | None = error
    while found is not None:
        kind = type(found).__name__
        if kind == "AcceleratorError" or (isinstance(found, Exception) and _says(found)):
            return None if _MEMORY.search(str(found)) else first_line(found)
        found = found.__cause__
    return None


def _says(error: Exception) -> bool:
    # NVML's errors are of a package that may not be there.
    plain = isinstance(error, RuntimeError) or type(error).__name__.startswith("NVMLError")
    return plain and bool(_SAYS.search(str(error)))


def of_the_program(said: str) -> bool:
    """Whether a kernel's own check ended the work: a number out of range, not a broken device."""
    return _CHECK in said


def answers(device: str) -> bool:
    """Whether a device calculates: asked in a process of its own, which may hang with it."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "core.devices.failure", device],
        env={**AS_LISTED, **os.environ},
        stdin=subprocess.DEVNULL,
    )
    try:
        return process.wait(ANSWERS_WITHIN) == 0
    except subprocess.TimeoutExpired:
        # Not waited for: one that hangs in the driver may never go.
        process.kill()
        return False


if __name__ == "__main__":
    import torch

    # The sum as a number of ours: that waits for the device.
    float(torch.ones(2, device=sys.argv[1]).sum())
    os._exit(0)
