"""The only package that knows Stripe: commands become API calls, webhooks become bus events. It stores no data."""
