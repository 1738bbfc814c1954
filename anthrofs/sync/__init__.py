"""The tree in step with the server: files that are new there, and files that are gone.

Begin with listing.py, which says what a page means for the tree. refresher.py asks for what is new, while somebody looks; sweeper.py
walks long listings to their end, for what is gone; expirer.py ends files at their own time. coming.py has the next page on its way;
workspace.py knows whose files a state mirrors. worker.py is the thread of all three.
"""
