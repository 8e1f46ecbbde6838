"""From scores to estimates, comparisons, a decision and routes. Pure."""
