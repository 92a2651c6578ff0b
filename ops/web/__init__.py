"""The operator's page: the `bellhop` command's view of messages in a browser, as a separate process."""
