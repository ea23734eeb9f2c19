"""The pages of docs/stdlib/: every public name of the library, with its examples.

What is said of a name is its documentation in the sources; its examples, the order of
names and the subjects of flow.core are in ``flowmetal/stdlib/examples/``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby

from flowmetal.embed.documenting import Documentation, Library, first_sentence
from flowmetal.embed.examples import Group, groups


def pages_of_the_library() -> Mapping[str, str]:
    """Return the pages by their paths below docs/."""
    library = Library(())
    spaces = {
        name: list(found) for name, found in groupby(groups(), key=lambda group: group.namespace)
    }
    about = {name: library.documentation_of(name)[0] for name in spaces}
    pages = {_page(name): _namespace(library, about[name], spaces[name]) for name in spaces}
    return {"stdlib/README.md": _index(about, spaces), **pages}


def _index(about: Mapping[str, Documentation], spaces: Mapping[str, list[Group]]) -> str:
    lines = [
        "# The library",
        "",
        "Each example is run as a test. `fmc doc NAME` shows the same at a terminal, and so does",
        "`(doc name)` at the REPL; `fmc doc flow.string` lists a namespace.",
        "",
        "`clojure.core`, `clojure.string` and so on are other names for `flow.core`, `flow.string` and so on.",
        "",
        "| namespace | what | names |",
        "|---|---|---|",
    ]
    for name, found in spaces.items():
        count = sum(len(group.sections) for group in found)
        link = f"[{name}]({_page(name).removeprefix('stdlib/')})"
        lines.append(f"| {link} | {_prose(about[name].doc)} | {count} |")
    return "\n".join([*lines, ""])


def _namespace(library: Library, about: Documentation, found: list[Group]) -> str:
    parts = [f"# {about.name}", "", _prose(about.doc), ""]
    many = len(found) > 1
    known = {
        section.name: library.documentation_of(section.name)[0]
        for group in found
        for section in group.sections
    }
    if not many and found[0].prologue:
        parts += ["```clojure", found[0].prologue, "```", ""]
    for group in found:
        if many:
            parts += [f"**[{group.title}](#{_heading_anchor(group.title)})**", ""]
        parts += ["| name | what |", "|---|---|"]
        for section in group.sections:
            word = _word(section.name)
            summary = _prose(first_sentence(known[section.name].doc)).replace("|", "\\|")
            parts.append(f"| [`{word}`](#{_anchor(word)}) | {summary} |")
        parts.append("")
    for group in found:
        if many:
            parts += [f"## {group.title}", ""]
        if group.about:
            parts += [_prose(group.about), ""]
        for section in group.sections:
            parts += _entry(group.namespace, known[section.name], "###" if many else "##")
    return "\n".join(parts)


def _entry(namespace: str, one: Documentation, level: str) -> list[str]:
    word = _word(one.name)
    kind = "" if one.kind in ("function", "var") else f" ({one.kind})"
    parts = [f'{level} <a id="{_anchor(word)}"></a>`{word}`{kind}', ""]
    if one.arglists:
        calls = [f"({word} {_inner(shape)})" for shape in one.arglists]
        parts += ["```clojure", *(call.replace(" )", ")") for call in calls), "```", ""]
    parts += [_prose(one.doc), "", "```clojure", one.examples, "```", ""]
    if one.see:
        parts += [f"See also {', '.join(_link(namespace, name) for name in one.see)}.", ""]
    return parts


def _inner(shape: str) -> str:
    return shape[1:-1] if shape.startswith("[") and shape.endswith("]") else shape


def _link(namespace: str, name: str) -> str:
    """Return a link to a name, on this page or that of another namespace."""
    if "/" not in name[1:]:
        return f"[`{name}`](#{_anchor(name)})"
    other = name.partition("/")[0]
    return f"[`{name}`]({_page(other).removeprefix('stdlib/')}#{_anchor(_word(name))})"


def _page(namespace: str) -> str:
    return f"stdlib/{namespace.removeprefix('flow.')}.md"


def _word(name: str) -> str:
    """Return the name alone of a full one; that of division is a slash."""
    return name.partition("/")[2] if "/" in name[1:] else name


def _anchor(word: str) -> str:
    """Return what a link to a name ends in: letters, digits and hyphens as they are."""
    return re.sub(r"[^A-Za-z0-9-]", lambda match: f"_{ord(match[0]):x}", word)


def _heading_anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")


def _prose(text: str) -> str:
    """Return documentation as Markdown: on one line, and with nothing that Markdown would take for markup."""
    return re.sub(r"([*_<\[\]~#])", r"\\\1", " ".join(text.split()))
