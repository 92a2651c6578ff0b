"""A thin HTTP edge: authenticate, translate HTTP to commands, wait for the reply. It stores no orders."""
