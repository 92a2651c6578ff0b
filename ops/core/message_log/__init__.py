"""The log: every command and event for seven days, to look at and to send again."""
