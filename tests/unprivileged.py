"""What an ordinary user may do, whom permissions bind, even if root runs the tests."""

from __future__ import annotations

import os
from collections.abc import Callable

from flowmetal.errors import FlowmetalError


def as_ordinary_user(action: Callable[[], object]) -> str:
    """Run the action in a child process without privileges; return the code of its error or "fine".

    What it imports has to be imported already: that user may not be allowed to read it.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            action()
            said = "fine"
        except FlowmetalError as error:
            said = error.code if error.diagnostics[0].help else "no remedy"
        except BaseException as error:
            said = repr(error)
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as answer:
        return answer.read()
