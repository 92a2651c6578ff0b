"""`bellhop demo`: plays guests through the HTTP API and the sandbox, and counts messages and writes."""

from ops.demo.run import run_demo

__all__ = ["run_demo"]
