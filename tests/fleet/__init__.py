"""A fleet on real mounts: several machines' mounts, a store and a board, and what happens when those are away or lie."""
