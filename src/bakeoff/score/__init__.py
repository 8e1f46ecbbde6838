"""Gates, dimensions and the combined score of one text."""
