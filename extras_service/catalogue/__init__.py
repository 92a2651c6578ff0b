"""The extras of each property, and what a request for them costs."""
