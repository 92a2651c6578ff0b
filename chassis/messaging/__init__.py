"""Messages: the bus, its consumers, requests and replies, and what protects them."""
