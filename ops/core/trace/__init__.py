"""`bellhop trace`: what really happened to one order, from the log and from what its documents remember."""
