"""The verbs of a channel, one per file."""
