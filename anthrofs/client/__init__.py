"""How other processes ask a running mount: which mount a path is in, and what it answers through its socket.

Begin with asking.py. control_client.py makes one request and reads its answers; the other end is daemon/control.py.
known_states.py finds the states of this machine, detached.py those whose mount has left its directory, unsent.py what
an ended one had not sent, mount_again.py the command that sends it. Commands, and whatever else looks at mounts from
outside, stand on this room. Nothing here prints, or touches a state that is in use but by its socket: what can't be had
is a SetupError, with the words.
"""
