"""Results of other harnesses, read as scores by model and brief."""
