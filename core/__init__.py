"""Lepton's engine: data, tasks, models, training and inference. It knows nothing of terminals."""
