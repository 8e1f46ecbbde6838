"""What a text costs here, and what it would cost elsewhere."""
