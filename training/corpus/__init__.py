"""The training text of the bundled models: written by rules, drawn by seed, standard library only."""
