"""Infer: try a model on a row, a file or a typed text."""

from screens.infer.screen import InferScreen

__all__ = ["InferScreen"]
