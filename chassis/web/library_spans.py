"""FastAPI's own telemetry, which is off whatever the environment says."""

from fastapi.telemetry import TelemetryConfig

NO_TELEMETRY: TelemetryConfig = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
"""Its spans trust a stranger's traceparent, and hold queries, addresses and the texts of exceptions."""
