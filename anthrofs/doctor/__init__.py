"""Help for a machine on which something is wrong: what that is, why it matters, and the command that mends it.

Begin with checkup.py, all checks in their order, and finding.py. machine.py looks at FUSE and the packages,
setup_files.py at settings and units, service.py at the key and the service, states.py at states and their disks,
places.py at mounts. bundle.py packs it for somebody who helps; masks.py takes out of any text what is secret. Nothing
here prints, and no check changes anything, raises, or waits without a bound.
"""
