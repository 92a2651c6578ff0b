"""Names joined to one key."""


def joined(*names: str) -> str:
    """The names as one key, different from that of any other names: a slash within a name is not one between two."""
    *first, last = names
    return "/".join([*(name.replace("%", "%25").replace("/", "%2F") for name in first), last])
