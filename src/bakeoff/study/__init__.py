"""Suite, plan, preflight, run, resume."""
