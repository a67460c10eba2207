"""`python -m tests.benchmarks [NAME…]`: measure, and print a table.

Ends with 0 whatever was found, and with 1 when a measurement itself broke.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from core.devices import WITH_TORCH
from tests.benchmarks.measure import Result

MEASUREMENTS = (
    "training_step",
    "metric_record",
    "resume_start",
    "mnist_99",
    "cifar_94",
    "command_start",
    "first_paint",
    "key_press",
    "chart",
    "chart_opens",
    "runs_listing",
    "big_import",
    "big_clean",
    "big_profile",
    "near_texts",
    "picture_files",
    "engine_rate",
    "predict_rows",
    "generation",
    "service_rate",
    "shuffled_epoch",
    "second_start",
    "evaluation",
    "memory_kept",
)
ALL_CORES = ("engine_rate",)
"""What asks which number of threads is best; the others have one, on both sides."""
ONE_CORE = {"OMP_NUM_THREADS": "1"}
ONE = "--one"
COLUMNS = "{:<46} {:>12} {:>12} {:>7} {:>8}  {}"


def main(arguments: list[str]) -> int:
    if arguments[:1] == [ONE]:
        found = import_module(f"tests.benchmarks.{arguments[1]}").measure()
        print(json.dumps([asdict(result) for result in found]))
        return 0
    unknown = [name for name in arguments if name not in MEASUREMENTS]
    if unknown:
        print(f"no measurement {', '.join(unknown)}; there are: {', '.join(MEASUREMENTS)}")
        return 2
    print(COLUMNS.format("", "ours", "theirs", "ratio", "bar", ""))
    broken = 0
    for name in arguments or MEASUREMENTS:
        # Each in a process of its own: what one imports must not slow the next.
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks", ONE, name],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
            env={**os.environ, **WITH_TORCH, **({} if name in ALL_CORES else ONE_CORE)},
            check=False,
        )
        if done.returncode:
            broken += 1
            print(f"{name}: the measurement broke")
            continue
        for result in json.loads(done.stdout.splitlines()[-1]):
            print(line(Result(**result)), flush=True)
    return int(broken > 0)


def line(result: Result) -> str:
    alone = result.theirs is None
    return COLUMNS.format(
        result.name,
        f"{result.ours:.1f} {result.unit}",
        "" if result.theirs is None else f"{result.theirs:.1f} {result.unit}",
        "" if alone else f"{result.found:.2f}",
        f"{result.bar:g} {result.unit}" if alone else f"{result.bar:.2f}",
        "ok" if result.ok else "over",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
