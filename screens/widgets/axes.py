"""The numbers beside a chart: round values a person would have chosen, written alike."""

from __future__ import annotations

import math
from itertools import pairwise


def ticks(low: float, high: float, most: int) -> list[float]:
    """At most `most` round values (1, 2 or 5 times a power of ten apart) from `low` to `high`."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low or most < 1:
        return []
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [n * step for n in range(first, last + 1)]
    return []


def decades(low: float, high: float, most: int) -> list[float]:
    """Ticks of a log axis, as exponents of ten: whole decades; round values where these are few."""
    whole = list(range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1))
    if len(whole) >= 2 or most < 2:
        step = max(1, math.ceil(len(whole) / max(most, 1)))
        return [float(n) for n in whole[::step]]
    return [math.log10(value) for value in ticks(10**low, 10**high, most) if value > 0]


def labels(values: list[float]) -> list[str]:
    """The values with as many decimals as tell them apart, 12k for 12000, 1e-05 when very small."""
    if not values:
        return []
    step = min((b - a for a, b in pairwise(values)), default=abs(values[0]) or 1)
    largest = max(map(abs, values))
    if largest >= 1e15 or 0 < largest < 1e-3:
        shown = [f"{value:.3g}" for value in values]
    else:
        # A unit is worth its letter as long as it leaves few decimals.
        units = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""))
        unit, suffix = next(
            (unit, suffix)
            for unit, suffix in units
            if unit == 1
            or (largest >= unit * 10 and step >= unit / 1000)
            or (largest >= unit and step >= unit / 10)
        )
        shown = [_fixed(value / unit, step / unit) + (suffix if value else "") for value in values]
    return shown if len({*shown}) == len(shown) else [f"{value:.16g}" for value in values]


def log_labels(exponents: list[float]) -> list[str]:
    """The values that stand at exponents of ten: each decade by itself, others as neighbours."""
    values = [10.0**exponent for exponent in exponents]
    if all(exponent.is_integer() for exponent in exponents):
        return [labels([value])[0] for value in values]
    return labels(values)


def _fixed(value: float, step: float) -> str:
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    shown = f"{value:.{min(decimals, 12)}f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown
