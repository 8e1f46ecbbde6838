"""What can be run: model references, facts read from files, fit."""
