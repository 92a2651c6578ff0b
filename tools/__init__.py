"""Tools of the repository: for its development and its tests, never shipped."""
