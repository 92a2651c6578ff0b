"""Tests. All services of a system run in one process here, and share the threads in which motor asks the store."""

import os

os.environ.setdefault("MOTOR_MAX_WORKERS", "64")
