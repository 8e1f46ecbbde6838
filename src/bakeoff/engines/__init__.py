"""One client for any OpenAI-compatible URL, and the worker processes behind some of them."""
