"""The results of tests for other programs: JSON, and the XML of JUnit that build servers read."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from flowmetal.embed.rendering import render, to_json
from flowmetal.testing.results import Outcome, Result

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_document(outcome: Outcome) -> dict[str, object]:
    """Return the outcome as ``json.dumps`` takes it."""
    counts = outcome.counts
    return {
        "test": counts.test,
        "pass": counts.passed,
        "fail": counts.fail,
        "error": counts.error,
        "tests": [_result(result) for result in outcome.results],
        "compile-errors": [to_json(diagnostic) for diagnostic in outcome.broken],
    }


def junit_xml(outcome: Outcome) -> bytes:
    """Return the outcome as a JUnit file."""
    counts = outcome.counts
    bad = [result for result in outcome.results if not result.counts.is_good]
    suite = ElementTree.Element(
        "testsuite",
        name="flowmetal",
        tests=str(len(outcome.results) + bool(outcome.broken)),
        failures=str(sum(1 for result in bad if not result.counts.error)),
        errors=str(sum(1 for result in bad if result.counts.error) + bool(outcome.broken)),
    )
    suite.set("assertions", str(counts.passed + counts.fail + counts.error))
    for result in outcome.results:
        suite.append(_case(result))
    if outcome.broken:
        case = ElementTree.SubElement(suite, "testcase", classname="flowmetal", name="compile")
        ElementTree.SubElement(case, "error").text = _text(render(outcome.broken))
    data: bytes = ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)
    return data


def _case(result: Result) -> ElementTree.Element:
    namespace, _, name = result.name.partition("/")
    case = ElementTree.Element("testcase", classname=namespace, name=name)
    if result.place is not None:
        case.set("file", result.place.path)
        case.set("line", str(result.place.line))
    for problem in result.problems:
        kind = "error" if problem.kind == "error" else "failure"
        child = ElementTree.SubElement(case, kind, message=_text(problem.diagnostic.message))
        child.text = _text(render([problem.diagnostic]))
    if result.output:
        ElementTree.SubElement(case, "system-out").text = _text(result.output)
    return case


def _text(text: str) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _result(result: Result) -> dict[str, object]:
    counts = result.counts
    return {
        "name": result.name,
        "file": None if result.place is None else result.place.path,
        "line": None if result.place is None else result.place.line,
        "pass": counts.passed,
        "fail": counts.fail,
        "error": counts.error,
        "problems": [to_json(problem.diagnostic) for problem in result.problems],
        "output": result.output,
    }
