"""The picture in the README: a terminal session that was really run, on a mount of the imitation of the service.

    .venv/bin/python -m scripts.picture             draws scripts/picture/session.svg anew
    .venv/bin/python -m scripts.picture --check     says whether it is still what a run shows

Ids, process numbers and ages are replaced by others, so that two runs draw the same picture. Nothing else is.
"""
