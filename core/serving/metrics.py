"""What Prometheus reads. Label sets are closed: names of routes, of served models, and statuses."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # Looking labels up takes longer than counting.
        self._children: dict[tuple[str, str, str, int], tuple[Counter, Histogram]] = {}
        self._asked: dict[tuple[str, str], tuple[Histogram, Histogram]] = {}
        own: Any = {"registry": self.registry}
        of = ("route", "model", "version")
        self.requests = Counter(
            "lepton_requests", "Requests answered, by status.", (*of, "status"), **own
        )
        self.seconds = Histogram(
            "lepton_request_seconds",
            "From a request's headers to the end of its answer.",
            of,
            buckets=SECONDS,
            **own,
        )
        self.engine_seconds = Histogram(
            "lepton_engine_seconds",
            "From handing rows to the engine to its answer, waiting included.",
            ("model", "version"),
            buckets=SECONDS,
            **own,
        )
        self.rows = Histogram(
            "lepton_request_rows", "Rows of a request.", ("model", "version"), buckets=ROWS, **own
        )
        self.row_errors = Counter(
            "lepton_row_errors", "Rows without an answer.", ("model", "version"), **own
        )
        of_model = ("model", "version")
        self.prompt_tokens = Counter(
            "lepton_prompt_tokens", "Tokens of prompts that were read.", of_model, **own
        )
        self.new_tokens = Counter("lepton_new_tokens", "Tokens that were said.", of_model, **own)
        self.first_seconds = Histogram(
            "lepton_first_part_seconds",
            "From handing a prompt to the engine to the first part of its answer.",
            of_model,
            buckets=SECONDS,
            **own,
        )
        self.in_flight = Gauge("lepton_requests_in_flight", "Requests being worked on.", **own)
        self.waiting = Gauge("lepton_queue_requests", "Requests before the engine.", **own)
        self.held = Gauge("lepton_held_bytes", "Bytes of bodies being worked on.", **own)
        self.ready = Gauge("lepton_ready", "1 when the engine has every model loaded.", **own)
        self.restarts = Counter("lepton_engine_restarts", "Times that the engine ended.", **own)
        self.shadows = Counter(
            "lepton_shadow_rows",
            "Rows that a shadow answered as the model did (yes, no), or not (failed, left_out).",
            ("model", "version", "agrees"),
            **own,
        )

    def answered(self, of: tuple[str, str, str], status: int, seconds: float) -> None:
        """A request of a route, a model and a version is answered."""
        key = (*of, status)
        if key not in self._children:
            counter = self.requests.labels(*of, str(status))
            self._children[key] = counter, self.seconds.labels(*of)
        counter, histogram = self._children[key]
        counter.inc()
        histogram.observe(seconds)

    def engine_answered(self, of: tuple[str, str], rows: int, failed: int, seconds: float) -> None:
        """The engine has answered a request's rows with a model and a version."""
        if of not in self._asked:
            self._asked[of] = self.engine_seconds.labels(*of), self.rows.labels(*of)
        took, counted = self._asked[of]
        took.observe(seconds)
        counted.observe(rows)
        if failed:
            self.row_errors.labels(*of).inc(failed)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)
