"""The page of `anthrofs web`: a server on loopback, for one person's browser, while that person looks.

Begin with server.py; guard.py says who may ask. watcher.py asks the mounts as long as somebody looks, picture.py says
what the page is told of each, app.py has the routes, deeds.py does what was clicked; page.html here is all that a
browser gets. Nothing here is needed by a mount, and nothing here touches a key, a state directory or a file's content.
"""
