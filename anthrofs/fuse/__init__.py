"""The kernel's border: libfuse calls come in here, and errors leave as errno here.

Begin with operations.py: each kernel request as one short method, and the errno gate. binding.py chooses the library
that carries them; libfuse3.py and libfuse2.py make mfusepy and fusepy do what is wanted, and are the only modules that
import these. callers.py says who asks, and holders.py who has something open, by /proc. mountpoint.py says what may be
a mount point, and ends mounts. Nothing here knows what an operation means: that is fs/.
"""
