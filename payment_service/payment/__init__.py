"""The payment aggregate: sessions, refunds and disputes, and the decisions on them."""
