"""Decisions about orders under review, from the command line."""
