"""What is known of a guest, and its erasure (docs/privacy.md)."""
