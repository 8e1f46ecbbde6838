"""One file a topic: parse, call, print. The only place that prints, exits or reads argv."""
