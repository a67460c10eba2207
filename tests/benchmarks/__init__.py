"""What Lepton promises about speed, measured against what a person would use instead.

Each file is one measurement; `python -m tests.benchmarks [NAME…]` prints a table of all. Both sides
of a ratio are measured in one run, turn by turn, and their medians compared, so that a busy machine
slows both alike.
"""
