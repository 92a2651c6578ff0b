"""What operators can do, apart from how it is shown: no command line, terminal or page behind it."""
