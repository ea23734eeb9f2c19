"""What a machine asks of the world, and what the world answers.

A request is named by run, fork generation and number; the machine knows only
the number. ``key`` is the part of the idempotency key below run and
generation: the number itself, or "scope.ordinal" inside a retried step, so
that every attempt of the body asks under the same key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from flowmetal.ids import EffectNumber, RunId
from flowmetal.values import ErrorValue, Map, Value

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
        self.retry_after_us = retry_after_us


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


class Connector(Protocol):
    """Performs effects of some kinds. Plugs in under the entry-point group flowmetal.connectors."""

    @property
    def kinds(self) -> frozenset[str]: ...

    async def perform(self, call: Call) -> Value:
        """Perform once and return data. Raises EffectFailed; may be cancelled."""

    async def close(self) -> None: ...
