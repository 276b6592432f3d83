"""What MkDocs calls while it builds the site: pages that are made of the code, and files that pages link to.

Build with `make docs`, or `python -m mkdocs build` in the project's root, from which this is imported.
"""

import re
from pathlib import Path
from posixpath import normpath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from tools.docs.http_pages import http_pages
from tools.docs.type_pages import type_pages

_OUTSIDE = re.compile(r"\]\(\.\./([^)#]+)\)")
_ROOT = Path(__file__).parents[2]
_TITLES = {"types": "Grader types", "http": "HTTP reference"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the generated pages into the navigation, where the file names their index."""
    made = config.extra["made"] = {"types": type_pages(), "http": http_pages()}
    config.nav = _filled(config.nav, {folder: list(pages) for folder, pages in made.items()})
    return config


def _filled(nav: Any, made: dict[str, list[str]]) -> Any:
    if isinstance(nav, list):
        return [_filled(each, made) for each in nav]
    if isinstance(nav, dict):
        return {title: _filled(inner, made) for title, inner in nav.items()}
    folder, _, name = nav.partition("/")
    if name == "index.md" and folder in made:
        return {_TITLES[folder]: [f"{folder}/{page}" for page in made[folder]]}
    return nav


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the generated pages, and the project's files that pages link to."""
    for folder, pages in config.extra["made"].items():
        for name, text in pages.items():
            files.append(File.generated(config, f"{folder}/{name}", content=text))
    linked = {
        target
        for page in Path(config.docs_dir).glob("*.md")
        for target in _OUTSIDE.findall(page.read_text("utf-8"))
    }
    for target in sorted(linked):
        if (_ROOT / target).is_file():
            files.append(File.generated(config, target, abs_src_path=str(_ROOT / target)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Have a link to a file of the project, `../examples/demo.py`, lead to its copy in the site."""
    del config, files
    if "/" in page.file.src_uri:  # a generated page, whose `../` is the folder of the others
        return markdown
    return _OUTSIDE.sub(lambda found: f"]({normpath(found[1])})", markdown)
