"""From a promise to the server: content that a close has handed over is sent exactly once, and ids that nobody wants are deleted.

Begin with uploader.py, which has the threads. schedule.py says what is next, shares.py which kind of work; delivery.py sends one file,
deletion.py deletes one id, restaging.py makes a stage of what the server has already. inquiries.py asks the listing about lost answers;
progress.py counts acknowledged bytes; close_waits.py lets closes wait for all that. mime.py guesses types.
"""
