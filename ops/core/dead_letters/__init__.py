"""Dead letters: messages that a service could not handle, drained from the dead queues and stored for a decision."""
