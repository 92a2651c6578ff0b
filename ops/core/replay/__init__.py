"""Replays: first a plan with a forecast for each message, then a run of exactly that plan."""
