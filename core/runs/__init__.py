"""Runs: long work in processes of its own, each with a folder, a lock and an event log."""
