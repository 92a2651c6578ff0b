"""A simulated RabbitMQ: its queues, its side of a connection, the client library's side, and the bus above it."""
