"""Channels: what they are, how they run, and the three transactions: receive, process, deliver."""
