"""What every service may know: the messages on the bus, the money in them, and the topology that carries them.

Nothing here but pydantic and plain data, so any room, a test or another team's service can import it.
"""
