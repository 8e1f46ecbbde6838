"""The result as JSON and as text."""
