"""Charts of a report as inline SVG: shapes with classes, coloured by the page they stand in.

Every text in them is a number of ours or escaped by whoever hands it over.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.evaluation.shown import Course, Picture, Sound

Point = tuple[float, float]

SIDE = 260
EDGE = 34


def svg(width: float, height: float, shapes: Iterable[str], label: str, kind: str = "") -> str:
    """A drawing of this many units; `label`, escaped, is what it says to who cannot see it."""
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
        f' height="{height:g}" role="img" aria-label="{label}">{"".join(shapes)}</svg>'
    )


def line(start: Point, end: Point, kind: str) -> str:
    return (
        f'<line class="{kind}" x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}"'
        f' y2="{end[1]:.1f}"/>'
    )


def box(left: float, top: float, width: float, height: float, kind: str) -> str:
    return (
        f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{max(0, width):.1f}"'
        f' height="{max(0, height):.1f}"/>'
    )


def dot(at: Point, kind: str, radius: float = 4) -> str:
    return f'<circle class="{kind}" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:g}"/>'


def text(at: Point, words: str, anchor: str = "start") -> str:
    return f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}">{words}</text>'


def path(points: Sequence[Point | None], kind: str) -> str:
    """A line through the points; it is broken where there is none."""
    steps, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        steps.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
        pen = "L"
    return f'<path class="{kind}" d="{" ".join(steps)}"/>'


def reach(
    value: float | None,
    interval: Sequence[float] | None,
    baseline: float | None,
    span: tuple[float, float],
) -> str:
    """A value with its interval, and the baseline's beside it, on a line from span to span."""
    width, height = 160.0, 18.0
    low, high = span

    def at(number: float) -> float:
        return 6 + (width - 12) * ((number - low) / (high - low) if high > low else 0.5)

    shapes = [line((6, height / 2), (width - 6, height / 2), "axis")]
    if interval is not None:
        shapes.append(line((at(interval[0]), height / 2), (at(interval[1]), height / 2), "reach"))
    if baseline is not None:
        shapes.append(dot((at(baseline), height / 2), "baseline"))
    if value is not None:
        shapes.append(dot((at(value), height / 2), "model"))
    return svg(width, height, shapes, "model, its interval, and the baseline")


def reliability(bins: Sequence[Mapping[str, Any]]) -> str:
    """Confidence across, the share that is right upwards; on the diagonal they are the same."""
    room = SIDE - EDGE - 10

    def at(across: float, up: float) -> Point:
        return EDGE + across * room, 10 + (1 - up) * room

    most = max((each["rows"] for each in bins), default=0) or 1
    shapes = [box(EDGE, 10, room, room, "frame"), line(at(0, 0), at(1, 1), "diagonal")]
    known = [each for each in bins if each["rows"]]
    for each in known:
        left, top = at(each["low"], each["accuracy"])
        width = (each["high"] - each["low"]) * room
        shapes.append(box(left + 1, top, width - 2, each["accuracy"] * room, "bar"))
    for each in known:
        middle = at(each["confidence"], each["accuracy"])
        radius = 2 + 4 * math.sqrt(each["rows"] / most)
        shapes += [
            line(middle, at(each["confidence"], each["confidence"]), "gap"),
            dot(middle, "model", radius),
        ]
    shapes += [
        *(text((at(each, 0)[0], SIDE - 12), f"{each:g}", "middle") for each in (0, 0.5, 1)),
        *(text((EDGE - 5, at(0, each)[1] + 4), f"{each:g}", "end") for each in (0, 0.5, 1)),
        text((EDGE + room / 2, SIDE - 1), "confidence", "middle"),
        text((EDGE + 4, 22), "right"),
    ]
    return svg(SIDE, SIDE, shapes, "reliability diagram", "chart")


def histogram(edges: Sequence[float], counts: Sequence[int], words: Sequence[str]) -> str:
    """Counts as bars; `words` are the first edge and the last one, in words."""
    width, height = 420.0, 140.0
    most, step = max(counts, default=0) or 1, width / max(1, len(counts))
    shapes = [
        box(at * step + 1, 110 * (1 - count / most) + 6, step - 2, 110 * count / most, "bar")
        for at, count in enumerate(counts)
    ]
    if edges[0] < 0 < edges[-1]:
        zero = width * -edges[0] / (edges[-1] - edges[0])
        shapes.append(line((zero, 0), (zero, 116), "diagonal"))
    shapes += [text((0, height - 6), words[0]), text((width, height - 6), words[1], "end")]
    return svg(width, height, shapes, "how the errors are spread", "chart")


def wave(sound: Sound) -> str:
    width, height = 240.0, 48.0
    step = width / max(1, len(sound.wave))
    shapes = [
        line(
            ((at + 0.5) * step, height / 2 * (1 - high)),
            ((at + 0.5) * step, height / 2 * (1 - low) + 0.5),
            "wave",
        )
        for at, (low, high) in enumerate(sound.wave)
    ]
    return svg(width, height, shapes, f"the wave of a sound of {sound.seconds:.1f} s", "chart")


def course(series: Course) -> str:
    """What was, what came, and what was told."""
    width, height = 240.0, 96.0
    every = [*series.past, *series.truth, *series.answer]
    known = [value for value in every if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    steps = max(1, len(series.past) + max(len(series.truth), len(series.answer)) - 1)

    def points(values: Sequence[float | None], first: int) -> list[Point | None]:
        return [
            None
            if value is None
            else (
                4 + (width - 8) * (first + number) / steps,
                4 + (height - 8) * ((high - value) / (high - low) if high > low else 0.5),
            )
            for number, value in enumerate(values)
        ]

    past = len(series.past)
    last = series.past[-1:]
    shapes = [
        path(points(series.past, 0), "past"),
        path(points([*last, *series.truth], past - len(last)), "truth"),
        path(points([*last, *series.answer], past - len(last)), "answer"),
    ]
    return svg(width, height, shapes, "the series, what came, and what was told", "chart")


def boxes(picture: Picture, labels: Sequence[str]) -> str:
    """The boxes over a picture, in its own pixels; `labels` are theirs, escaped."""
    size = max(picture.width, picture.height)
    shapes = []
    for each, label in zip(picture.boxes, labels, strict=True):
        left, top, right, bottom = each.box
        shapes.append(
            f"<g>{box(left, top, right - left, bottom - top, 'said' if each.said else 'meant')}"
            f"<title>{label}</title></g>"
        )
    return (
        f'<svg class="boxes" viewBox="0 0 {picture.width} {picture.height}" role="img"'
        f' aria-label="boxes" stroke-width="{size / 70:.1f}">{"".join(shapes)}</svg>'
    )
