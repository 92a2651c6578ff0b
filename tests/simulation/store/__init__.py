"""A simulated document store below chassis/storage/store.py: what motor's client is there."""
