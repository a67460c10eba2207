"""The Versions tab."""
