"""The only room that knows Stripe: commands become API calls, webhooks become bus events. Keeps no data of its own."""
