"""The two themes: the same few colours, on a dark and on a light ground."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="lepton-dark",
    primary="#6cb6ff",
    secondary="#b392f0",
    accent="#ffb86b",
    foreground="#d7dde4",
    background="#11151a",
    surface="#171c23",
    panel="#1f262f",
    success="#7bd88f",
    warning="#ffd166",
    error="#ff6b6b",
    dark=True,
)

LIGHT = Theme(
    name="lepton-light",
    primary="#0b63b8",
    secondary="#6f42c1",
    accent="#b35900",
    foreground="#1c2530",
    background="#fbfbf9",
    surface="#f2f2ee",
    panel="#e4e6e8",
    success="#1a7f37",
    warning="#8a6100",
    error="#c62828",
    dark=False,
)
