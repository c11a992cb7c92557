"""Imaging orders and what kind of exam they ask for."""
