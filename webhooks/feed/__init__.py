"""The webhooks about one order to one subscriber, in the order in which they are sent."""
