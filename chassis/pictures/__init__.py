"""Pictures: files that people upload, re-encoded before any other part of the system sees them."""
