"""One prompt asked several times: of several models (`--compare`), with several options (`--sweep`), again (`-n`).

Nothing is imported here, so that a cell which compares nothing pays nothing.
"""
