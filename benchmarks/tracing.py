"""`python -m benchmarks.tracing`: what spans cost, with a collector that is named and without one.

Processor time, so that a busy machine measures alike. The collector is one that refuses: spans are made, queued and
dropped as with a collector that is down.
"""

import os
import subprocess
import sys
from time import process_time

from chassis.runtime import tracing
from chassis.runtime.tracing import Kind

_SPANS = 20_000
_ORDER = "ord_k7v6uwprt2o4wrr7lfojjggj45"
_COLLECTOR = "OTEL_EXPORTER_OTLP_ENDPOINT"
_LOAD = """
import resource, time
import chassis.runtime.startup, chassis.messaging.consumer, chassis.storage.store
from chassis.runtime import tracing
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
tracing.start("bench", "0", {environ!r})
took, grown = time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(f"{{took * 1000:.1f}} ms, {{grown / 1024:.1f}} MiB")
tracing.stop(0)
"""


def main() -> None:
    os.environ[_COLLECTOR] = "http://127.0.0.1:9"
    for name, environ in (("without", {}), ("with", {_COLLECTOR: "http://127.0.0.1:9"})):
        loaded = subprocess.run(  # noqa: S603  # this Python, with the code above
            [sys.executable, "-c", _LOAD.format(environ=environ)], check=True, capture_output=True, text=True
        )
        tracing.start("bench", "0", environ)
        print(f"{name:8} a collector: at start {loaded.stdout.strip()}; {_microseconds():.2f} µs per message")
        tracing.stop(1)


def _microseconds() -> float:
    """Of the spans of one message: handled, one read, one write, one message sent."""
    began = process_time()
    for _ in range(_SPANS):
        attributes: dict[str, tracing.Value] = {"messaging.system": "rabbitmq", "messaging.destination.name": "q"}
        with tracing.begin("process x", Kind.CONSUMER, order_id=_ORDER, attributes=attributes) as span:
            for operation in ("read", "write"):
                with tracing.inside(operation, Kind.CLIENT, {"db.system.name": "mongodb"}):
                    pass
            with tracing.begin("send x", Kind.PRODUCER, parent=span.traceparent, attributes=attributes):
                pass
    return (process_time() - began) / _SPANS * 1e6


if __name__ == "__main__":
    main()
