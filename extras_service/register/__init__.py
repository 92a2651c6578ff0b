"""The register of a property: it numbers receipts without gaps."""
