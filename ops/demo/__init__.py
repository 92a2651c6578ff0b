"""`bellhop demo`: guests play through the HTTP API and the sandbox, and everything they cause is counted."""

from ops.demo.run import run_demo

__all__ = ["run_demo"]
