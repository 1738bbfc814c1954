"""POSIX, line by line: what each call says and changes, on ext4 and on a mount side by side.

    row.py              a row: a claim, a script of calls, what a disk answers, and the mount's own answer where it differs on purpose
    rows_*.py, table.py the table, by kinds of call
    differences.py      why the mount differs: one reason for each kind of difference, as the manual's page posix has them
    place.py            a directory on one of the two, and what a script has open in it
    calls_*.py          the words of scripts: each is one system call, or one look at what it left
    sides.py            the disk and the mount
    test_table.py       every row, on both
    test_races.py       callers who come at once, on both
    scripts.py, compared.py, test_random.py     random scripts, and the first call that is answered otherwise; scripts/posix goes on
                        with them for as long as one likes
"""
