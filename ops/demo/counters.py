"""The cost of an order: bus messages and store writes, counted by the services themselves."""

from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

PUBLISHED = "bellhop_messages_published_total"
WRITES = "bellhop_store_writes_total"
TRIPS = "bellhop_store_round_trips_total"


@dataclass(frozen=True, slots=True)
class Counters:
    """Running totals over all services."""

    write_path_messages: float
    read_messages: float
    state_writes: float
    clear_trips: float
    read_trips: float

    def __sub__(self, earlier: "Counters") -> "Counters":
        return Counters(
            self.write_path_messages - earlier.write_path_messages,
            self.read_messages - earlier.read_messages,
            self.state_writes - earlier.state_writes,
            self.clear_trips - earlier.clear_trips,
            self.read_trips - earlier.read_trips,
        )


async def count(http: httpx.AsyncClient, service_urls: dict[str, str]) -> Counters:
    """Read every service's counters now."""
    totals: dict[tuple[str, str], float] = {}
    for url in service_urls.values():
        response = await http.get(f"{url}/metrics")
        for family in text_string_to_metric_families(response.text):
            for sample in family.samples:
                key = (sample.name, sample.labels.get("type", ""))
                totals[key] = totals.get(key, 0.0) + sample.value
    queries = totals.get((PUBLISHED, "query"), 0.0)
    commands_and_events = sum(totals.get((PUBLISHED, kind), 0.0) for kind in ("command", "event"))
    # Every query has one reply; what is left of the replies answers commands.
    replies = totals.get((PUBLISHED, "reply"), 0.0) - queries
    return Counters(
        write_path_messages=commands_and_events + replies,
        read_messages=2 * queries,
        state_writes=totals.get((WRITES, "state"), 0.0),
        clear_trips=totals.get((TRIPS, "clear"), 0.0),
        read_trips=totals.get((TRIPS, "read"), 0.0),
    )
