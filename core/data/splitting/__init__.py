"""Training, validation and test rows."""
