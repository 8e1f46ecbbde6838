"""Nouns, errors, configuration and clocks. Imports nothing of ours."""
