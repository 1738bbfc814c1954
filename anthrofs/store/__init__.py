"""Bytes on this disk.

Begin with staging.py (content that the server doesn't have) and block_cache.py (content that came from it, and copies
of our own uploads). block_file.py is one file's blocks, block_map.py what vouches for them, blocks.py their arithmetic.
disk.py takes durable steps with labels, so that a test can stop at each; state_dir.py locks a state for one mount,
state_guard.py notices when it is moved away. whole_file.py puts a file where other programs read it.
"""
