"""Orders: their state, what decides on them, and what each decision does."""
