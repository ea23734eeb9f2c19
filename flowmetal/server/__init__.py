"""Runs over HTTP: the API, callbacks, and an interpreter beside them in one process.

``serving.py`` is the process, ``application.py`` what it answers. Everything here is a thin
shell over ``embed.Engine``; starlette and uvicorn (``pip install "flowmetal[server]"``) are
known to this package alone and loaded when a server is asked for.

Rules that must stay true: an answer of 2xx is given after the commit and never before; a
request that waits holds no thread; a GET changes nothing.
"""
