"""From the name of a secret to the secret: here, in a connector, and nowhere else.

``#secret "stripe-key"`` is the variable ``FLOWMETAL_SECRET_STRIPE_KEY`` of the
interpreter, or the file ``stripe-key`` in the folder ``$FLOWMETAL_SECRETS``
(without the line end). The value goes into the request and not into the machine,
the history or a message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from flowmetal.effects.errors import effect_error
from flowmetal.effects.requests import EffectFailed
from flowmetal.values import Secret, Value

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def reveal(value: Value, environment: Mapping[str, str] | None = None) -> Value:
    """Return what a secret stands for, and any other value as it is."""
    if not isinstance(value, Secret):
        return value
    environment = os.environ if environment is None else environment
    if _NAME.fullmatch(value.name):
        variable = "FLOWMETAL_SECRET_" + re.sub(r"[^A-Z0-9]", "_", value.name.upper())
        if variable in environment:
            return environment[variable]
        folder = environment.get("FLOWMETAL_SECRETS")
        if folder:
            try:
                with open(os.path.join(folder, value.name), encoding="utf-8") as file:
                    return file.read().rstrip("\r\n")
            except (OSError, UnicodeDecodeError):
                pass
    raise EffectFailed(
        effect_error(
            "FM0707",
            "secret/missing",
            f"this interpreter does not have the secret {value.name!r}",
            {"name": value.name},
        )
    )
