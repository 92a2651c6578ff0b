"""Truncates foreign text before it is matched, stored or shown."""


def cut(text: str, longest: int) -> str:
    """The first `longest` characters, and the full length if there were more."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
