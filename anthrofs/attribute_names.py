"""Names of the extended attributes by which a mount tells commands and programs what it knows of a file."""

from typing import Final

FILE_ID: Final = "user.anthropic.file_id"
STATE: Final = "user.anthropic.state"
SHARED: Final = "user.anthropic.shared"         # in a fleet with a store
CONTROL: Final = "user.anthropic.control"       # of the root, unlisted: the state directory, where the socket is
