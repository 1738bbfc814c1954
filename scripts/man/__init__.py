"""Man pages, made of the manual's pages and of the grammar of the commands when a package is built.

Begin with pages.py: which pages there are, and what each has. roff.py turns Markdown into what man(1) reads. hook.py is
what the builder calls: it puts the pages into the wheel, below share/man, where man looks when the environment's bin
is on the path. Nothing here is in the package itself, and nothing is kept in the repository: the manual's text is in
one place.
"""
