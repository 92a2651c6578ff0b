"""The money audit: compares the hotel's books with the PSP's ledger, order by order."""

from ops.core.audit.findings import Audit, Finding, Kind
from ops.core.audit.rules import Books, examine
from ops.core.audit.run import audit

__all__ = ["Audit", "Books", "Finding", "Kind", "audit", "examine"]
