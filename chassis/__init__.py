"""The microservice chassis that all services share: bus, requests, store, timers, logs, health.

It depends on no service. A service's `app.py` assembles the parts; its `decide` never sees them.
"""
