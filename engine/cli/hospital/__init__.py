"""A made-up hospital for the demonstration: its people never lived, and its systems have the habits of real ones."""
