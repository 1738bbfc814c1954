"""Commands that people type, and how a mount's process begins.

Begin with commands.py: one function a command. mount_command.py has `mount`, of which settings/ makes a Config;
launch.py starts the mount's process in the background, demo.py the emulator beside it. output.py prints answers, for
people or as JSON. Nothing here touches the state of a running mount except through its socket (client/).
"""
