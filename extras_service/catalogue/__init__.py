"""The catalogue: the extras of each property, and the pricing of requests for them."""
