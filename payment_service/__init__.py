"""Payments: one per order, told by facts. Knows amounts and sessions, and no PSP."""
