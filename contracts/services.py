"""The names of the services: their accounts at the broker, and what their logs, metrics and messages carry."""

GATEWAY = "gateway"
EXTRAS = "extras-service"
PAYMENTS = "payment-service"
ADAPTER = "psp-adapter"
NOTIFICATIONS = "notifications"
WEBHOOKS = "webhooks"
