"""What came in lately, for a person who watches: bounded, and counted as it is answered."""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MINUTE = 60
RATED = 10
"""Whole seconds over which a rate is taken."""
LATEST = 50
_TIMED = 4096
"""Of how many requests it is kept how long they took."""


@dataclass
class _Counts:
    """The requests of a service, or of one of its models."""

    requests: int = 0
    refused: int = 0
    failed: int = 0
    seconds: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MINUTE))
    """(second, requests in it), for seconds that had some."""

    def add(self, status: int, now: int) -> None:
        self.requests += 1
        self.refused += 400 <= status < 500
        self.failed += status >= 500
        if self.seconds and self.seconds[-1][0] == now:
            self.seconds.append((now, self.seconds.pop()[1] + 1))
        else:
            self.seconds.append((now, 1))

    def told(self, took: Sequence[float], now: int) -> dict[str, Any]:
        recent = sum(count for second, count in self.seconds if now - RATED <= second < now)
        return {
            "requests": self.requests,
            "refused": self.refused,
            "failed": self.failed,
            "rate": recent / RATED,
            "p50_ms": percentile(took, 0.5),
            "p99_ms": percentile(took, 0.99),
        }


class Traffic:
    """Counts since the start, a minute of rates and latencies, and the last requests."""

    def __init__(self) -> None:
        self._all = _Counts()
        self._models: dict[str, _Counts] = {}
        self._took: deque[tuple[float, str, float]] = deque(maxlen=_TIMED)
        self._latest: deque[Mapping[str, Any]] = deque(maxlen=LATEST)

    def answered(self, facts: Mapping[str, Any]) -> None:
        """A request is answered; `facts` are what the log says of it."""
        now = time.monotonic()
        model, version = facts["model"], facts["version"]
        self._all.add(facts["status"], int(now))
        if model:
            name = f"{model}@{version}"
            if name not in self._models:
                self._models[name] = _Counts()
            self._models[name].add(facts["status"], int(now))
            self._took.append((now, name, facts["ms"]))
        known = {name: value for name, value in facts.items() if value is not None}
        self._latest.append(known | {"time": datetime.now(UTC).isoformat(timespec="milliseconds")})

    def told(self) -> dict[str, Any]:
        """All of it as JSON has it. `rate` is in requests a second; the newest request is first;
        `per_second` has the last whole second last. Latencies are those of requests to models, in
        the last minute or of the last few thousand."""
        now = time.monotonic()
        since = now - MINUTE
        took = [(name, ms) for then, name, ms in self._took if then >= since]
        counts = Counter(dict(self._all.seconds))
        return {
            **self._all.told([ms for _, ms in took], int(now)),
            "per_second": [counts[second] for second in range(int(now) - MINUTE, int(now))],
            "models": {
                name: each.told([ms for of, ms in took if of == name], int(now))
                for name, each in self._models.items()
            },
            "latest": list(reversed(self._latest)),
        }


def percentile(values: Iterable[float], share: float) -> float | None:
    """The value that this share of them does not exceed; None where there are none."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else None
