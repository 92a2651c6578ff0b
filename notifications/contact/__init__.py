"""One guest's address, apart from the guest's orders."""
