"""What every service stands on, the microservice-chassis pattern: bus, requests, store, timers, logs, health.

It knows no service. A service's `app.py` puts the parts together; its `decide` never sees them.
"""
