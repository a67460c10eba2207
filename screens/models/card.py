"""A model's card: what it reads and answers, what it learned from, and how well it does."""

from __future__ import annotations

from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from core.models.registry import ModelFolder
from screens.tables import scores_table
from screens.text import counted, human_bytes, human_count, human_number, plain, relative_time

SHOWN_LABELS = 8


def card(model: ModelFolder) -> RenderableType:
    """The facts of a model beneath one another, and its scores beside the baseline."""
    info = model.info
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    data = info.get("dataset") or "unknown"
    if info.get("dataset_version"):
        data = f"{data}@{info['dataset_version']}"
    parameters = human_count(int(info.get("parameters") or 0))
    for name, value in (
        ("task", info["task"]),
        ("reads", reads(info)),
        ("answers", answers(info)),
        ("architecture", f"{info['architecture']}, {parameters} parameters"),
        ("trained on", data),
        ("training", training(info)),
        ("made", relative_time(info["created"]) if info.get("created") else "unknown"),
        ("run", info.get("run") or "unknown"),
        ("folder", f"{model.path} ({human_bytes(model.bytes)})"),
    ):
        if value:
            facts.add_row(name, Text(plain(str(value))))
    scores = scores_table(info.get("metrics") or {}, info.get("baseline") or {})
    return Group(Text(plain(model.ref), "bold"), facts, "", scores)


def reads(info: dict[str, Any]) -> str:
    """The input columns and what their values become: `image, 28 x 28 in grey`."""
    shape, codec = info["shape"], info["codec"]
    columns = (info.get("training") or {}).get("inputs") or codec.get("columns")
    named = ", ".join(columns or [codec.get("column") or "?"])
    match shape.get("kind"):
        case "image":
            colour = "in grey" if shape["channels"] == 1 else "in colour"
            return f"{named}, {shape['width']} x {shape['height']} {colour}"
        case "tokens":
            words = human_count(int(shape["vocabulary"]))
            return f"{named}, {words} words, the first {shape['length']} of a text"
        case "series":
            return f"{named}, {shape['context']} steps of the past"
        case "table":
            numbers = int(shape["numbers"])
            categories = counted(len(shape["categories"]), "category", "categories")
            return f"{named} ({counted(numbers, 'number')}, {categories})"
    return named


def answers(info: dict[str, Any]) -> str:
    """The target and its values: `label, one of 10: 0, 1, 2, …`."""
    codec = info["codec"]
    target = codec.get("target") or (info.get("training") or {}).get("target") or "?"
    labels = codec.get("labels")
    if info["shape"].get("kind") == "series":
        return f"{target}, {counted(int(info['shape']['outputs']), 'step')} ahead"
    if not labels:
        return f"{target}, a number"
    more = ", …" if len(labels) > SHOWN_LABELS else ""
    return f"{target}, one of {len(labels)}: {', '.join(labels[:SHOWN_LABELS])}{more}"


def training(info: dict[str, Any]) -> str:
    """How it was trained, in a line; empty when the folder does not tell."""
    told = info.get("training") or {}
    if not told.get("epochs"):
        return ""
    parts = [f"{told['epochs']} epochs", f"batch {told.get('batch_size')}"]
    if told.get("lr"):
        parts.append(f"lr {human_number(told['lr'])}")
    if told.get("augment"):
        parts.append(f"augmented by {','.join(told['augment'])}")
    if told.get("best_epoch"):
        parts.append(f"best in epoch {told['best_epoch']}")
    return ", ".join(parts)
