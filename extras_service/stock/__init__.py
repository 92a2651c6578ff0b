"""The stock aggregate: places of an extra on a day, held, confirmed and released."""
