"""Joins everything: the walk of a run, its supervisor, its faults, its judgement, and matrices."""
