"""What this machine is, and how much memory a model may take."""
