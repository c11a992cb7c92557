"""Lint rules: one file each, with the code of its findings, what it looks for, and `check(linted)`."""
