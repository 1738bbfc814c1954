"""state.db: the files as the user wants them, the files as the server has them, and what is to be done about the difference.

Begin with schema.py. database.py gives transactions; nodes.py changes what the user wants, mirror.py what the server has; the difference
waits in outbox.py. renaming.py and unlinking.py say what a rename or an unlink asks of the server. kept_copies.py says which own uploads
are readable here; open_table.py knows who has a file open, because an open file must not change under its reader. fsck.py proves all
invariants. Nothing here waits for the network.
"""
