"""Data only: the demonstration models and the built-in suites."""
