"""What makes parts a process: settings, startup, background work, clocks, logs, metrics, health."""
