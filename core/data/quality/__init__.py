"""What is wrong with a version: checks that Lepton knows, and rules that a person writes."""
