"""state.db: files as the user wants them, files as the server has them, and what is to be done about the difference.

Begin with schema.py, and node_states.py for what a row of the table node can be. database.py gives transactions over
the file (state_file.py, upgrades.py). The tables hang on them: nodes.py changes what the user wants, upload_queue.py
and deletion_queue.py hold the difference; lookups.py answers without one. mirror.py changes what the server has;
promises.py is what a close commits, arrivals.py what an upload does, intents.py what a rename or an unlink asks of the
server. kept_copies.py says which own uploads are readable here, shares.py what the store of a fleet has or is owed,
history.py which ids a path has had; open_table.py knows who has a file open, for that must not change under its
reader. fsck.py proves all invariants. Nothing here waits for the network.
"""
