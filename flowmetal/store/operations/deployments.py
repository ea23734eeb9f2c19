"""Deployments: a name, and what it stands for, changed in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flowmetal.store.operations.answers import Answer, answer, bad_name
from flowmetal.store.operations.records import Kept, Record, Records, drop, find, keep, read
from flowmetal.store.operations.vocabulary import Deploy, Deployments, Undeploy
from flowmetal.values import hash_map, keyword, vector

_MANY = 100_000


@dataclass(slots=True)
class Deployment(Kept):
    """Key: the name. The body is the details; grants are hexadecimal in the fields."""

    SPACE: ClassVar[str] = "deployment"
    program: str
    grants: str
    time_us: int


def deploy(records: Records, operation: Deploy) -> Answer:
    wrong = bad_name(operation.name, "deployment")
    if wrong is not None:
        return wrong
    before = find(records, Deployment, operation.name)
    now = records.now_us()
    made = Deployment(operation.program, operation.grants.hex(), now)
    keep(records, operation.name, made, operation.details)
    return answer(
        name=operation.name,
        program=operation.program,
        previous=None if before is None else before.program,
    )


def undeploy(records: Records, operation: Undeploy) -> Answer:
    return answer(value=drop(records, Deployment, operation.name))


def deployments(records: Records, operation: Deployments) -> Answer:
    if operation.name:
        one = records.get(Deployment.SPACE, operation.name)
        found = [] if one is None else [one]
    else:
        found = records.scan(Deployment.SPACE, "", "", _MANY)
    return answer(value=vector([_row(record) for record in found]))


def _row(record: Record) -> Answer:
    made = read(Deployment, record)
    values = (
        ("name", record.key),
        ("program", made.program),
        ("grants", bytes.fromhex(made.grants)),
        ("details", record.body),
        ("time", made.time_us),
    )
    return hash_map((keyword(name), value) for name, value in values)
