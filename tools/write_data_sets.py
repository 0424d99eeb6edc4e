"""Write the table of data sets in docs/data-sets.md anew from the catalogue.

Usage: python tools/write_data_sets.py
"""

import re
from pathlib import Path

from ranvier.data.sets import catalogue

PAGE = Path(__file__).parents[1] / "docs" / "data-sets.md"


def main() -> None:
    """Replace the table between its marks."""
    text = PAGE.read_text()
    made = re.sub(
        r"(<!-- table -->\n\n).*?(\n<!-- end -->)", lambda m: m[1] + catalogue.table() + m[2], text, flags=re.S
    )
    PAGE.write_text(made)


if __name__ == "__main__":
    main()
