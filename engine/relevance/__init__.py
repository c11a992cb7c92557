"""Which facts matter for which exam, and how they are written for a receiver."""
