"""The services that run, and what they are asked."""

from screens.serve.screen import ServeScreen

__all__ = ["ServeScreen"]
