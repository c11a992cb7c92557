"""Lint and tests of a site's files."""
