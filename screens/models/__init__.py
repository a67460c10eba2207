"""Models: what training made, and what each is."""

from screens.models.screen import ModelsScreen

__all__ = ["ModelsScreen"]
