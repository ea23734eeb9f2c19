"""The pages about the tools show what they do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowmetal.source import Source
from flowmetal.tools.formatting import format_source
from flowmetal.tools.linting import NAMES

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {name: (DOCS / f"{name}.md").read_text("utf-8") for name in ("formatting", "linting")}


@pytest.mark.parametrize("page", PAGES)
def test_the_programs_of_the_pages_are_formatted(page: str) -> None:
    for block in re.findall(r"^```clojure\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL):
        assert format_source(Source(page, block)) == block


def test_every_lint_is_on_the_page_with_its_code() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (FM\d{4}) \|", PAGES["linting"], re.MULTILINE))
    assert rows == {name: code for code, name in NAMES.items()}


def test_the_finding_on_the_page_is_what_one_sees(shell) -> None:
    shell.write(
        "src/shop.flow",
        "(ns shop\n  (:require [flow.http :as http]))\n\n(defn main [urls]\n  (map http/get! urls))\n",
    )
    shown = shell("fmc", "lint", "src/shop.flow")
    (block,) = re.findall(r"^```text\n(.*?)^```$", PAGES["linting"], re.MULTILINE | re.DOTALL)
    assert shown.out == block
