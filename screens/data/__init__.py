"""Data: the data sets, their rows, what they hold and what is wrong with them."""

from screens.data.screen import DataScreen

__all__ = ["DataScreen"]
