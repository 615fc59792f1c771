"""Poses refined over time by the models of the papers."""
