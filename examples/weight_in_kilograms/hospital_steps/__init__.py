"""Python steps of a hospital: each a class, named in pyproject.toml under the entry points `backstory.steps`."""
