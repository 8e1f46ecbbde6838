"""The serving plan handed over to other servers: a file of theirs from the one `ServingPlan`, with the evidence in it."""
