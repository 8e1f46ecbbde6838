"""What the documentation site takes from outside its folder: the tables that benchmarks wrote, and links into the sources."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
RESULTS = "benchmarks/results"
EXAMPLES = "docs/examples"
_LINK = re.compile(r"\]\(((?:\.\./|examples/)[^)#]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add every benchmark's table as a page."""
    for table in sorted((ROOT / RESULTS).glob("*.md")):
        files.append(File.generated(config, f"{RESULTS}/{table.name}", content=table.read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn links that leave the folder into links to the added pages, or to the repository.

    Raises:
        FileNotFoundError: what is linked to does not exist: the build fails.
    """
    del files
    here = posixpath.dirname(posixpath.join("docs", page.file.src_uri))

    def turned(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(here, found[1]))
        anchor = found[2] or ""
        if target.startswith("docs/") and not target.startswith(EXAMPLES):
            return found[0]
        if not (ROOT / target).exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {target}, which does not exist")
        if target.startswith(RESULTS):
            return f"]({posixpath.relpath(target, posixpath.dirname(page.file.src_uri) or '.')}{anchor})"
        return f"]({config.repo_url}/blob/main/{target}{anchor})"

    return markdown if page.file.src_uri.startswith(RESULTS) else _LINK.sub(turned, markdown)
