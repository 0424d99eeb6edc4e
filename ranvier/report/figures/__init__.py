"""The figures of a report, one a file: schema in, SVG out."""

__all__: list[str] = []
