"""Not written yet."""

def absence() -> str | None:
    """Say why it cannot run."""
    return "not built"
