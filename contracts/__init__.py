"""What all services share: the messages on the bus, the money in them, and the topology that carries them.

Plain data over pydantic, so that any package, test or other team's service can import it.
"""
