"""Talking with a language model: what is said, the box to say it in, settings, what is kept."""
