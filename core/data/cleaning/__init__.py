"""Cleaning: a recipe of steps that makes new versions of a data set."""
