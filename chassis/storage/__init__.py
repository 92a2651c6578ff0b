"""Documents: one message changes one, in one write."""
