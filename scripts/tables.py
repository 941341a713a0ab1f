"""Write the tables of docs/*.md that registries decide, and docs/*.schema.json: `make tables`."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.contract.test_registries import page_of, row, tables
from tests.contract.test_results_schema import DOCS, documents
from tests.unit import test_engines_page


def main() -> None:
    """Write every page and schema."""
    for name, rows in tables().items():
        write(page_of(name), name, rows)
    for name, rows in test_engines_page.tables().items():
        write(test_engines_page.PAGE, name, rows)
    for name, data in documents().items():
        (DOCS / name).write_bytes(data)


def write(page: Path, name: str, rows: list[tuple[str, ...]]) -> None:
    """Replace what stands between the marks; head and rule of the table stay."""
    body = "".join("\n" + row(cells) for cells in rows)
    text, count = re.subn(
        rf"(<!-- {name} -->\n.*?\n\|[-|]+\|)(?:\n\|[^\n]*)*(\n<!-- end -->)",
        lambda found: found[1] + body + found[2],
        page.read_text(),
        flags=re.DOTALL,
    )
    if not count:
        raise SystemExit(f"{page}: no table between `<!-- {name} -->` and `<!-- end -->`")
    page.write_text(text)


if __name__ == "__main__":
    main()
