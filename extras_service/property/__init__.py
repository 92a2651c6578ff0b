"""The property aggregate: a hotel, as its owner describes it."""
