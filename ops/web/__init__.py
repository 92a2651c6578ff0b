"""The operator's page: what the `bellhop` command knows of messages, to look at; a process of its own."""
