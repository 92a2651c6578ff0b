"""The receipts of an order as a document: to read by programs, to print, and as PDF."""
