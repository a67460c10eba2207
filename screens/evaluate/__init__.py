"""Evaluate: judge a model on rows it never saw."""

from screens.evaluate.screen import EvaluateScreen

__all__ = ["EvaluateScreen"]
