"""Pure functions on arrays: intervals, paired comparisons, corrections."""
