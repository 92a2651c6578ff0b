"""Text that others wrote is cut before it is matched, kept or shown."""


def cut(text: str, longest: int) -> str:
    """The first `longest` characters, and a note when there were more."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
