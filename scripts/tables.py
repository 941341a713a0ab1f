"""Write the tables of docs/*.md that registries decide, and docs/*.schema.json: `make tables`."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.contract.test_registries import page_of, row, tables
from tests.contract.test_results_schema import DOCS, documents


def main() -> None:
    """Replace what stands between the marks; head and rule of each table stay."""
    for name, rows in tables().items():
        page = page_of(name)
        pattern = (
            rf"(<!-- {name} -->\n(?:[^|\n][^\n]*\n|\n)*\|[^\n]*\n\|[^\n]*\n)(.*?)(\n<!-- end -->)"
        )
        body = "\n".join(row(cells) for cells in rows)
        text, count = re.subn(
            pattern,
            lambda found, body=body: found[1] + body + found[3],
            page.read_text(),
            flags=re.DOTALL,
        )
        if not count:
            raise SystemExit(f"{page}: no table between `<!-- {name} -->` and `<!-- end -->`")
        page.write_text(text)
    for name, data in documents().items():
        (DOCS / name).write_bytes(data)


if __name__ == "__main__":
    main()
