"""A training whose disk is full as soon as its model is published, at its first launch."""

from typing import Any

from core.models.registry import ModelFolder
from core.runs.job import Job
from core.training import worker
from tests.runs.jobs import fill


def run(job: Job) -> None:
    publish = worker._publish

    def full(*given: Any) -> ModelFolder:
        model = publish(*given)
        fill(job)
        return model

    worker._publish = full
    worker.run(job)
