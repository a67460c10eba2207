"""The live view of a run: where it stands, its curves, and what it says."""

from __future__ import annotations

from typing import Any

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.widgets import Static

from screens.text import counted, human_count, human_duration, human_number, plain, state_badge
from screens.train.follower import Snapshot
from screens.widgets.bars import bar
from screens.widgets.line_chart import LineChart

BAR_WIDTH = 12
LOSS, METRIC = "loss", "metric"


class LiveView(Vertical):
    """Draws snapshots of one run."""

    DEFAULT_CSS = """
    LiveView {
        #head { height: auto; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #charts { height: 1fr; layout: vertical; }
        #charts > LineChart { margin: 0 0 0 1; }
        #said { height: auto; max-height: 8; padding: 0 1; scrollbar-size-vertical: 1; }
        #said > Static { height: auto; }
    }
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._said: Any = None
        self._metric = ""

    def compose(self) -> ComposeResult:
        yield Static(id="head", markup=False)
        with Container(id="charts"):
            yield LineChart("loss", id=LOSS)
            yield LineChart("metric", id=METRIC, empty="waiting for the first epoch…")
        with VerticalScroll(id="said"):
            yield Static(id="words", markup=False)

    def clear(self) -> None:
        """Forget the run that was shown."""
        self.query_one("#head", Static).update("")
        self.query_one("#words", Static).update("")
        self._said = None
        for chart in self.query(LineChart):
            chart.clear()

    def show(self, seen: Snapshot) -> None:
        """Draw what is new in a snapshot."""
        self.query_one("#head", Static).update(heading(seen))
        self._draw_curves(seen)
        said = (seen.logs, seen.error, seen.result)
        if said != self._said:
            self._said = said
            self.query_one("#words", Static).update(words(seen))
            self.call_after_refresh(
                self.query_one("#said", VerticalScroll).scroll_end, animate=False
            )

    def toggle(self, switch: str) -> None:
        """Switch "log_y" of the loss, or "smoothed" of both charts, on or off."""
        loss, metric = (
            self.query_one(f"#{LOSS}", LineChart),
            self.query_one(f"#{METRIC}", LineChart),
        )
        setattr(loss, switch, not getattr(loss, switch))
        if switch == "smoothed":
            metric.smoothed = loss.smoothed

    def _draw_curves(self, seen: Snapshot) -> None:
        loss, metric = (
            self.query_one(f"#{LOSS}", LineChart),
            self.query_one(f"#{METRIC}", LineChart),
        )
        if seen.fresh:
            for chart in (loss, metric):
                chart.clear()
        self._metric = str(seen.plan.get("metric") or self._metric or METRIC)
        metric.title = self._metric
        if not seen.alive:
            loss.empty, metric.empty = "no step was recorded", "no epoch was finished"
        else:
            loss.empty, metric.empty = "waiting for the first step…", "waiting for the first epoch…"
        for name, (steps, values) in seen.points.items():
            # The loss of the steps is the training loss; the epoch's mean would double it.
            if name == "loss":
                loss.append("train/loss", steps, values)
            elif name == "val/loss":
                loss.append(name, steps, values)
            elif name.rpartition("/")[2] == self._metric and "/" in name:
                metric.append(name, steps, values)


def heading(seen: Snapshot) -> Text:
    """What is trained on what, how far it is, and what it has reached: three or four lines."""
    text = Text()
    text.append(f"{_badge(seen)}  ", "bold")
    text.append(f"{plain(seen.model or '?')} on {plain(seen.dataset or '?')}", "bold")
    plan = seen.plan
    if plan:
        device = str(plan.get("device") or "")
        if device == "cpu" and plan.get("threads"):
            device = f"cpu, {counted(plan['threads'], 'thread')}"
        size = f"{plan.get('architecture')}, {human_count(plan.get('parameters') or 0)} parameters"
        text.append(f"\n{plain(size)} · {plain(device)} · batch {plan.get('batch_size')}", "dim")
        if plan.get("augment"):
            text.append(f" · {plain(','.join(plan['augment']))}", "dim")
    text.append(f"\n{_progress(seen)}")
    if seen.metrics:
        text.append(f"\n{_metrics(seen)}")
    return text


def _badge(seen: Snapshot) -> str:
    if seen.state == "stopping":
        return "■ stopping"
    return state_badge(seen.state)


def _progress(seen: Snapshot) -> str:
    plan, parts = seen.plan, []
    if plan.get("epochs") and seen.epoch:
        parts.append(f"epoch {seen.epoch}/{plan['epochs']}")
    if steps := plan.get("steps"):
        share = seen.step / steps
        parts.append(f"step {human_count(seen.step)}/{human_count(steps)}")
        if seen.alive:
            parts.append(f"{bar(share, BAR_WIDTH)} {share:.0%}")
    if seen.alive and seen.examples_per_second:
        parts.append(f"{human_number(seen.examples_per_second, 3)} rows/s")
    if seen.remaining is not None:
        parts.append(f"{human_duration(seen.remaining)} left")
    elif seen.elapsed is not None:
        parts.append(
            f"{human_duration(seen.elapsed)} so far"
            if seen.alive
            else f"took {human_duration(seen.elapsed)}"
        )
    if not parts:
        return "starting" if seen.alive else "nothing was done"
    return " · ".join(parts)


def _metrics(seen: Snapshot) -> str:
    named = str(seen.plan.get("metric") or "")
    order = sorted(
        seen.metrics, key=lambda name: (not name.endswith(f"/{named}"), not name.endswith("/loss"))
    )
    return "   ".join(f"{plain(name)} {human_number(seen.metrics[name])}" for name in order[:4])


def words(seen: Snapshot) -> Text:
    """What the run said, and why it ended, if not by itself."""
    lines = [Text(plain(line), "dim") for line in seen.logs]
    if seen.error:
        where = seen.error.get("where")
        what = plain(seen.error["what"]) + (f" ({plain(where)})" if where else "")
        lines.append(Text(f"✗ {what}", "bold"))
        if hint := seen.error.get("hint"):
            lines.append(Text(f"→ {plain(hint)}"))
    if seen.result and seen.result.get("model"):
        lines.append(Text(f"✓ made the model {plain(str(seen.result['model']))}", "bold"))
    return Text("\n").join(lines)
