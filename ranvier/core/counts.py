"""Counts that a config holds: whole things of which there must be one at least."""

from ranvier.core.errors import ConfigError


def require_counts(where: str, config: object, *names: str) -> None:
    """Refuse fields of a config that are below 1; None, where a field may be it, is no bound at all.

    Args: where: what the errors put in front of a field's name, such as "Motifs." or "stbp: ".
    Raises: ConfigError for the first of ``names`` that is.
    """
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= 1:
            raise ConfigError(f"{where}{name}", expected="at least 1", got=str(value))
