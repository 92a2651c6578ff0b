"""Sending messages once more: first a plan with a forecast for each, then exactly that plan."""
