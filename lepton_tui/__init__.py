"""Lepton: from raw data to a model in use, in a terminal."""
