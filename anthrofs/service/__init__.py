"""Mounts that systemd, or mount(8), starts.

Begin with units.py: the two units, and what is filled into them; manager.py asks systemd. named_mount.py says where a
service's mount is and which words start it; mount_helper.py reads what mount(8) and fstab say, and
helper_links.py puts the names there by which they find this program. Nothing here prints, and nothing reads a key.
"""
