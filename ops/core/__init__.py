"""The operator's actions, independent of their presentation: no command line, terminal or page."""
