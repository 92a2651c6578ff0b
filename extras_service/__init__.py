"""Catalogue, orders, and the saga that takes an order from pressed to paid."""
