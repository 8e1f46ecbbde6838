"""What happened, append-only, keyed by content hash."""
