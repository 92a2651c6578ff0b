"""One subscriber: another system that hears of a property's orders."""
