"""The tree in step with the server: files that are new there, and files that are gone.

Begin with scan.py, which says how a listing is read, and merge.py, which says what a page of it means for the tree.
refresher.py says when to ask for what is new, while somebody looks, and news.py takes it in; sweeper.py reads long
listings to their end, for what is gone; expirer.py ends files at their own time. worker.py is the thread of all three.
lessons.py has what readers learn by the way, and workspace.py knows whose files a state mirrors. By listings.py a page
may be another mount's, which merged.py admits if nothing newer was merged.
"""
