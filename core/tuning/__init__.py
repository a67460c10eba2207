"""Searching settings: many trainings, each with what the ones before let hope for."""
