"""The Rows tab."""
