"""The settings of a mount, wherever people have them: as a flag, in the environment, in their file.

Begin with table.py: every option once, and so its flag, its variable and its key in the file. precedence.py says which
of them counts; values.py reads one, config_file.py the file, findings.py what is wrong in that. environment.py finds
the service and the key; fleet_options.py the fleet, mount_options.py what mount(8) gives with -o. Nothing here prints,
and nothing here asks the service.
"""
