"""A thin HTTP edge: authenticate, translate HTTP to commands, wait for the reply. Holds no order of its own."""
