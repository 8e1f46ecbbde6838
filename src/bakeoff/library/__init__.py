"""What `import bakeoff` offers, and what commands and library share: planning a run, carrying it out, finding it again."""
