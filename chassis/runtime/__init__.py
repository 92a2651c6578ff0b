"""The runtime of a process: settings, startup, background work, clocks, logs, metrics, health."""
