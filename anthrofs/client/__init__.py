"""How other processes ask a running mount: which mount a path is in, and what it answers through its socket.

Begin with asking.py. control_client.py makes one request and reads its answers; the other end is daemon/control.py.
Commands, and whatever else looks at mounts from outside, stand on this room. Nothing here prints, and nothing here
touches a state directory but its socket: what can't be had is a SetupError, with the words for a person.
"""
