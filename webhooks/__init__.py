"""The webhook service: reports orders to the hotel's other systems, signed, at least once and in order per order."""
