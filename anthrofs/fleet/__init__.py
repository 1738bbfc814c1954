"""Many machines, one workspace: contents in a store that all reach, notes on a board.

Begin with keys.py, which says what is sealed and by what, and membership.py, which says whose fleet this is. The store
holds whole contents; the board has one listing, one budget, leases and announcements. Both may be away at any time:
then a mount is for itself, as it is without a fleet. Nothing here is imported, and none of its libraries, unless a
mount was asked to be of a fleet.
"""
