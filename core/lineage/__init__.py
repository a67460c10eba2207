"""Lineage: what a version came from, what came of it, which runs and models read it."""
