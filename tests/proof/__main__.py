"""`python -m tests.proof`: the sums of all runs, and the manual's page with them."""

import argparse
from pathlib import Path
from typing import Final

from tests.proof import page, table

PAGE: Final = Path(__file__).parents[2] / "anthrofs" / "manual" / "proof.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/proof", description="what all long runs have found, added up")
    parser.add_argument("--rows", action="store_true", help="each run, too")
    parser.add_argument("--write", action="store_true", help="renew the figures of the manual's page `proof`")
    asked = parser.parse_args()
    found = table.rows()
    if asked.rows:
        for row in found:
            figures = ", ".join(f"{name.replace('_', ' ')} {table.written(figure)}" for name, figure in row.figures.items())
            print(f"{row.date}  {row.part}  {row.commit}  {row.cores} cores  {table.spent(row.seconds)}  {row.command}\n    {figures}")
        print()
    print(table.printed(found))
    if asked.write:
        PAGE.write_text(page.renewed(PAGE.read_text(), found))


if __name__ == "__main__":
    main()
