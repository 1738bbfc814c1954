"""`python -m tests.proof`: the sums of all runs."""

import argparse

from tests.proof import table


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/proof", description="what all long runs have found, added up")
    parser.add_argument("--rows", action="store_true", help="each run, too")
    asked = parser.parse_args()
    found = table.rows()
    if asked.rows:
        for row in found:
            figures = ", ".join(f"{name.replace('_', ' ')} {table.written(figure)}" for name, figure in row.figures.items())
            print(f"{row.date}  {row.part}  {row.commit}  {row.cores} cores  {table.spent(row.seconds)}  {row.command}\n    {figures}")
        print()
    print(table.printed(found))


if __name__ == "__main__":
    main()
