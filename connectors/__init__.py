"""Connectors to the hotel's other systems. Each is a process of its own that receives Bellhop's webhooks."""
