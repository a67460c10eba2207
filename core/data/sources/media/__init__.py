"""Folders of pictures and sounds, and what is said of them in labels, boxes and masks."""
