"""File operations: what open, write, close, rename and stat mean for the tree, with no kernel in sight.

Begin with filesystem.py (verbs with a path) and open_files.py (verbs with a handle). contents.py keeps the one content
that all handles of a node see, up to the promise of a close (tree/promises). renames.py (with unlinks) and links.py
move names; paths.py finds nodes; attributes.py has what stat has no field for. kernel_cache.py knows what the kernel
may still remember.
"""
