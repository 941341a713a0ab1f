"""Write the tables of docs/authoring-scenarios.md and docs/*.schema.json anew: `make tables`."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.contract.test_registries import PAGE, row, tables
from tests.contract.test_results_schema import DOCS, documents


def main() -> None:
    """Replace what stands between the marks; head and rule of each table stay."""
    text = PAGE.read_text()
    for name, rows in tables().items():
        pattern = (
            rf"(<!-- {name} -->\n(?:[^|\n][^\n]*\n|\n)*\|[^\n]*\n\|[^\n]*\n)(.*?)(\n<!-- end -->)"
        )
        body = "\n".join(row(cells) for cells in rows)
        text, count = re.subn(
            pattern, lambda found, body=body: found[1] + body + found[3], text, flags=re.DOTALL
        )
        if not count:
            raise SystemExit(f"{PAGE}: no table between `<!-- {name} -->` and `<!-- end -->`")
    PAGE.write_text(text)
    for name, data in documents().items():
        (DOCS / name).write_bytes(data)


if __name__ == "__main__":
    main()
