"""The `bellhop` command: one module per group of commands."""
