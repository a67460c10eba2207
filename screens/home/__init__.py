"""Home: what is here, what is running, and what to do next."""

from screens.home.screen import HomeScreen

__all__ = ["HomeScreen"]
