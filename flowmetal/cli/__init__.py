"""The commands ``fmc`` (source and programs) and ``fmvm`` (runs).

Thin shells over ``flowmetal.embed``. Each verb is a file of its own and loads
only what it needs, because people wait for commands: ``fmvm run`` of a
compiled program must not pay for the parser, the compiler or an HTTP client.
"""
