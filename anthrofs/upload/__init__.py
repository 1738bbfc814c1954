"""From a promise to the server: what a close has handed over is sent exactly once, and ids that nobody wants go.

Begin with uploader.py: its threads do what schedule.py says is next. delivery.py sends one file, and tree/arrivals
writes down that the server has it; restaging.py prepares one again under its new name; deletion.py deletes one id.
inquiries.py asks what became of a lost answer, close_waits.py lets closes wait for all that, progress.py counts
acknowledged bytes.
"""
