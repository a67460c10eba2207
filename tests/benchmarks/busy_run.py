"""The work of a run that keeps every core busy and records 200 events a second."""

from __future__ import annotations

import math
import os
import time
from multiprocessing import Event, Process
from multiprocessing.synchronize import Event as Flag

import numpy as np

from core.runs.job import Job

EVENTS_A_SECOND = 200
STEPS = 100_000


def run(job: Job) -> None:
    """Until it is asked to stop; what trains has the run's own niceness."""
    over = Event()
    hogs = [
        Process(target=_multiply, args=(over,), daemon=True) for _ in range(os.cpu_count() or 1)
    ]
    for hog in hogs:
        hog.start()
    job.emit(
        "plan",
        task="tabular-classification",
        architecture="mlp",
        device="cpu",
        threads=len(hogs),
        steps=STEPS,
        epochs=10,
        steps_per_epoch=STEPS // 10,
        parameters=1000,
        examples=STEPS,
    )
    began = time.monotonic()
    step = 0
    while not job.should_stop():
        step += 1
        loss = math.exp(-step / 5000) + 0.1 * math.sin(step)
        epoch = 1 + step // 2000
        job.emit("step", step=step, epoch=epoch, loss=loss, lr=1e-3, examples_per_second=9e3)
        if step % 2000 == 0:
            metrics = {"train/loss": loss, "val/loss": loss, "val/accuracy": 1 - loss}
            job.emit("epoch", epoch=epoch, step=step, metrics=metrics, seconds=10.0)
        time.sleep(max(0.0, began + step / EVENTS_A_SECOND - time.monotonic()))
    over.set()
    for hog in hogs:
        hog.join()


def _multiply(over: Flag) -> None:
    matrix = np.random.default_rng(0).normal(size=(256, 256))
    while not over.is_set():
        for _ in range(100):
            matrix @ matrix
