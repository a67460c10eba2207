"""The SQL tab."""
