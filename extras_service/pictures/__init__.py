"""Pictures of a property's extras."""
