"""Reads the data of a daily closing for the `bellhop` command."""
