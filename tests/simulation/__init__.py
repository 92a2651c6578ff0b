"""Deterministic simulation: the real services in one process, on one seeded scheduler. See docs/simulation.md."""
