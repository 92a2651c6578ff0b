"""Payments: their sessions, refunds and disputes, and what decides on them."""
