"""The daily closing: a property's day in orders and in the PSP's own transactions, and whether the two add up."""
