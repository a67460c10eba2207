"""What a run is and where it stands, in a few lines of words."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from core.runs.history import waiting_words
from screens.text import counted, human_count, human_duration, human_number, plain, state_badge
from screens.train.follower import Snapshot
from screens.train.lines import SEARCH
from screens.widgets.bars import bar

BAR_WIDTH = 12
NARROW = 90
"""Where there is less room the bar is half as long."""


def heading(seen: Snapshot, width: int = 0) -> Text:
    """What is trained on what, how far it is, and what it has reached: three or four lines.

    Of a `width` (0: any), what does not fit whole is left out: half a number is a wrong one.
    """
    text = Text()
    text.append(f"{_badge(seen)}  ", "bold")
    text.append("search for " if seen.kind == SEARCH else "", "bold")
    text.append(f"{plain(seen.model or '?')} on {plain(seen.dataset or '?')}", "bold")
    plan = seen.plan
    if seen.kind == SEARCH:
        space = "  ".join(f"{name}={each}" for name, each in plan.get("space", {}).items())
        text.append(f"\nsearches {plain(space)}" if space else "", "dim")
    elif plan:
        device = str(plan.get("device") or "")
        if device == "cpu" and plan.get("threads"):
            device = f"cpu, {counted(plan['threads'], 'thread')}"
        if (together := plan.get("devices") or 1) > 1:
            device = f"{together} × {device}"
        size = f"{plan.get('architecture')}, {human_count(plan.get('parameters') or 0)} parameters"
        text.append(f"\n{plain(size)} · {plain(device)} · batch {plan.get('batch_size')}", "dim")
        if plan.get("augment"):
            text.append(f" · {plain(','.join(plan['augment']))}", "dim")
    text.append(f"\n{_progress(seen, width)}")
    if seen.metrics:
        text.append(f"\n{_metrics(seen, width)}")
    return text


def _badge(seen: Snapshot) -> str:
    if seen.state == "stopping":
        return "■ stopping"
    return state_badge(seen.state)


def _whole(parts: list[str], gap: str, width: int) -> str:
    """As many of the first parts as there is room for; one at least."""
    while width and len(parts) > 1 and cell_len(gap.join(parts)) > width:
        parts = parts[:-1]
    return gap.join(parts)


def _progress(seen: Snapshot, width: int) -> str:
    if seen.waiting and seen.state == "queued":
        return waiting_words(seen.waiting)
    plan, parts = seen.plan, []
    if plan.get("epochs") and seen.epoch:
        parts.append(f"epoch {seen.epoch}/{plan['epochs']}")
    if steps := plan.get("steps"):
        share = seen.step / steps
        done = f"{human_count(seen.step)}/{human_count(steps)}"
        parts.append(f"{done} trials" if seen.kind == SEARCH else f"step {done}")
        if seen.alive:
            cells = BAR_WIDTH // 2 if 0 < width < NARROW else BAR_WIDTH
            parts.append(f"{bar(share, cells)} {share:.0%}")
    if seen.alive and seen.remaining is not None:
        parts.append(f"{human_duration(seen.remaining)} left")
    elif seen.elapsed is not None:
        parts.append(
            f"{human_duration(seen.elapsed)} so far"
            if seen.alive
            else f"took {human_duration(seen.elapsed)}"
        )
    if seen.alive and seen.examples_per_second:
        parts.append(f"{human_number(seen.examples_per_second, 3)} rows/s")
    if not parts:
        return "starting" if seen.alive else "nothing was done"
    return _whole(parts, " · ", width)


def _metrics(seen: Snapshot, width: int) -> str:
    named = str(seen.plan.get("metric") or "")
    order = sorted(
        seen.metrics, key=lambda name: (not name.endswith(f"/{named}"), not name.endswith("/loss"))
    )
    told = [f"{plain(name)} {human_number(seen.metrics[name])}" for name in order[:4]]
    return _whole(told, "   ", width)


def last_words(seen: Snapshot) -> Text:
    """The newest line of the log; why the run ended, if not by itself; what it made."""
    lines = [Text(plain(line), "dim") for line in seen.logs[-1:]]
    if seen.error:
        lines.append(Text(f"✗ {plain(seen.error['what'])}", "bold"))
        if hint := seen.error.get("hint"):
            lines.append(Text(f"→ {plain(hint)}"))
        # Last, since a long path may push what follows it out of sight.
        if where := seen.error.get("where"):
            lines.append(Text(f"  {plain(where)}", "dim"))
    if seen.result and seen.result.get("model"):
        lines.append(Text(f"✓ made the model {plain(str(seen.result['model']))}", "bold"))
    return Text("\n").join(lines)
