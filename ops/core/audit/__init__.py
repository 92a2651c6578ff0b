"""The money audit: what the hotel's books say of each order against what the PSP's ledger says."""

from ops.core.audit.findings import Audit, Finding, Kind
from ops.core.audit.rules import Books, examine
from ops.core.audit.run import audit

__all__ = ["Audit", "Books", "Finding", "Kind", "audit", "examine"]
