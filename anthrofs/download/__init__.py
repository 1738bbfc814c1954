"""From the server to a reader: one running download a file, which all readers share.

Begin with reader.py: a read asks the cache, then joins or starts a running_download.py, whose thread runs transfers.py.
extents.py says which part is asked for, course.py asks until all of it has come, bodies.py says what an answer has to
be to be the file. whole_files.py brings a whole file as a stage; readahead.py notices directories that are read in
order.
"""
