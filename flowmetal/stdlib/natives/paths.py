"""Natives of flow.fs: paths as strings with slashes, no look at any disk."""

from __future__ import annotations

import posixpath

from flowmetal.stdlib.natives.arguments import need_text
from flowmetal.stdlib.natives.table import Table
from flowmetal.values import Value

native = Table("flow.fs")


@native("path")
def join(part: Value, *parts: Value) -> str:
    """Join parts; one that begins at the root starts over."""
    texts = [need_text("path", at + 1, text) for at, text in enumerate((part, *parts))]
    return posixpath.normpath(posixpath.join(*texts)) if any(texts) else ""


@native("parent")
def parent(path: Value) -> str | None:
    text = need_text("parent", 1, path).rstrip("/")
    return posixpath.dirname(text) or None


@native("file-name")
def file_name(path: Value) -> str:
    return posixpath.basename(need_text("file-name", 1, path).rstrip("/"))


@native("ext")
def ext(path: Value) -> str | None:
    return posixpath.splitext(file_name(path))[1][1:] or None


@native("strip-ext")
def strip_ext(path: Value) -> str:
    return posixpath.splitext(need_text("strip-ext", 1, path))[0]


native.add("absolute?", lambda path: need_text("absolute?", 1, path).startswith("/"))
