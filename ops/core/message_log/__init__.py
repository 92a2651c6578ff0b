"""The message log: every command and event of seven days, to search and to replay."""
