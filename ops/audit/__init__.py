"""The money audit: what the hotel's books say of each order against what the PSP's ledger says."""

from ops.audit.findings import Audit, Finding, Kind
from ops.audit.rules import Books, examine
from ops.audit.run import audit

__all__ = ["Audit", "Books", "Finding", "Kind", "audit", "examine"]
