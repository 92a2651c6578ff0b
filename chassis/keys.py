"""Joins names into one key."""


def joined(*names: str) -> str:
    """One key for these names. Different names have different keys: a slash within a name is escaped."""
    *first, last = names
    return "/".join([*(name.replace("%", "%25").replace("/", "%2F") for name in first), last])
