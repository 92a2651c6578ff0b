"""Dead letters: messages a service could not handle, taken in from the dead queues and kept until somebody decides."""
