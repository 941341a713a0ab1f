"""Timings that people run by hand; never part of the tests."""
