"""What a machine asks of the world, and what the world answers.

A request is named by run, fork generation and number; the machine knows only
the number. ``key`` is the part of the idempotency key below run and
generation: the number itself, or "scope.ordinal" inside a retried step, so
that every attempt of the body asks under the same key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from flowmetal.errors import Exact, exact
from flowmetal.ids import EffectNumber, RunId
from flowmetal.values import ErrorValue, Map, Value, hash_map, keyword

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address


class EffectRequest(NamedTuple):
    """One effect that a fiber waits for. ``args`` is data."""

    number: EffectNumber
    kind: str
    args: Map
    key: str


class EffectResult(NamedTuple):
    """The answer to effect ``number``: a value, or an error if ``error`` is set."""

    number: EffectNumber
    value: Value = None
    error: ErrorValue | None = None


class EffectFailed(Exception):
    """Raised by a connector: the world said no. ``error`` is what the program sees.

    ``retry_after_us`` is the world's own wish (HTTP Retry-After), if it had one.
    Whether to try again is said by ``error.retryable``.
    """

    def __init__(self, error: ErrorValue, retry_after_us: int | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.retry_after_us = None if retry_after_us is None else int(retry_after_us)

    def __reduce__(self) -> Exact:
        return exact(self)

    @classmethod
    def of(
        cls, type: str, message: str, data: object = None, *, retryable: bool = False
    ) -> EffectFailed:
        """Make one of plain Python values: ``EffectFailed.of("card/declined", "no money", {"amount": 10})``.

        ``retryable`` lets a policy of the program try again. Raises ValueError for a type that a host cannot
        throw and for a message that is no text, and DataError for data that is none.
        """
        from flowmetal.effects.errors import CANCELLED_TYPE
        from flowmetal.values.json_mapping import from_json
        from flowmetal.values.names import reads_as_keyword

        plain = type.removeprefix(":") if isinstance(type, str) else ""
        if not reads_as_keyword(plain) or plain == CANCELLED_TYPE:
            raise ValueError(f"{type!r} cannot be the type of an error")
        text = from_json(message)
        if text is not None and not isinstance(text, str):
            raise ValueError(f"{message!r} cannot be the message of an error")
        said = from_json(data)
        values = said if isinstance(said, Map) else hash_map(())
        if said is not None and not isinstance(said, Map):
            values = values.assoc(keyword("value"), said)
        return cls(
            ErrorValue(
                keyword(plain), text, values, frames=(), retryable=bool(retryable), code="FM0705"
            )
        )


class Call(NamedTuple):
    """One attempt at an effect, as a connector gets it.

    ``idempotency_key`` is the same for every attempt and unique over runs,
    forks and effects. ``grants`` are the capabilities of the run. ``again``: an
    earlier attempt was made and may have succeeded (it failed, or its interpreter died).
    """

    run: RunId
    kind: str
    args: Map
    idempotency_key: str
    attempt: int
    grants: Grants
    again: bool = False


class Grants(Protocol):
    """What a run may do to the world. Checked by the connector, by address and not by hope."""

    def allows(self, capability: str, subject: str) -> bool:
        """Say whether ``subject`` (host:port, program, variable, "read:/path") is granted."""

    def allows_address(self, address: IPv4Address | IPv6Address, port: int) -> bool:
        """Say whether an address that is not public is granted as such."""

    def root_of(self, subject: str) -> str | None:
        """Return the real path of the granted folder or file that "read:/path" lies in."""

    def roots(self) -> frozenset[str]:
        """Return the paths that are granted, as they were given; none if everything is."""


class Connector(Protocol):
    """Performs effects of some kinds. Plugs in under the entry-point group flowmetal.connectors."""

    @property
    def kinds(self) -> frozenset[str]: ...

    async def perform(self, call: Call) -> Value:
        """Perform once and return data. Raises EffectFailed; may be cancelled."""

    async def close(self) -> None: ...
