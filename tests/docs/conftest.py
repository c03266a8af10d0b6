"""Markdown taken apart: fenced blocks, inline code, links."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    path: Path
    text: str

    @property
    def prose(self) -> str:
        """The text without its fenced blocks."""
        return FENCE.sub("", self.text)

    @property
    def spans(self) -> list[str]:
        """Inline code, line breaks as one space."""
        return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", self.prose)]

    def blocks(self, *languages: str) -> list[str]:
        return [text for language, text in FENCE.findall(self.text) if language in languages]


@pytest.fixture(scope="session")
def page(repository: Path) -> Callable[[str], Page]:
    def read(name: str) -> Page:
        path = repository / name
        return Page(path, path.read_text(encoding="utf-8"))

    return read
