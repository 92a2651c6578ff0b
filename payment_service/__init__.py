"""Payments, one per order. Knows amounts and sessions, and no PSP."""
