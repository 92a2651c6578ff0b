"""The messages under way in a world, as a sorted tuple of numbers.

An item is a message's number times `TWINS`, plus the number of its twins' common id, or 0 for a message that is alone.
"""

TWINS = 8
ALIKE = 2

Flight = tuple[int, ...]


def with_sent(flight: Flight, messages: tuple[int, ...], twin: int = 0) -> Flight:
    """Two messages under way that say the same are explored, a third adds nothing."""
    for message in messages:
        item = message * TWINS + twin
        if flight.count(item) < ALIKE:
            flight = tuple(sorted((*flight, item)))
    return flight


def without(flight: Flight, item: int) -> Flight:
    at = flight.index(item)
    return flight[:at] + flight[at + 1 :]
