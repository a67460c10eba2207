"""Train: start runs and watch them learn."""

from screens.train.screen import TrainScreen

__all__ = ["TrainScreen"]
