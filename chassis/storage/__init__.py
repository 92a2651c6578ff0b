"""The document store: one message changes one document in one write."""
