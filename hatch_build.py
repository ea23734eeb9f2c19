"""Put the compiled library into the wheel, so that nobody waits for it at the first start.

Hatch calls this when a wheel is built. The image is what ``flowmetal.embed.library``
would write on first use; its name carries a digest of everything that it is made
from, so a stale one is never read.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledLibrary(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles the standard library before the wheel's files are collected."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        from flowmetal.embed.library import library

        library()
        images = sorted((Path(self.root) / "flowmetal" / "stdlib" / "image").glob("*.fml"))
        assert len(images) == 1, images
        build_data["artifacts"].append(f"flowmetal/stdlib/image/{images[0].name}")
