"""One OpenAI-compatible gateway over the models that a run chose."""
