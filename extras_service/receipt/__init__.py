"""The receipts of an order: what is due by its money, and what was issued."""
