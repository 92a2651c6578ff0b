"""Scenarios that run on the simulated parts and on the real ones, so that a simulation cannot flatter."""
