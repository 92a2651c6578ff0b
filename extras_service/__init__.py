"""Catalogue, orders, and the saga that takes an order from its placement to its payment."""
