"""mkdocs hooks: the site has the folders of the repository, so a link that works in one works in the other.

Beside `docs/` the site has the pages that the navigation names elsewhere (README, CONTRIBUTING, ...), and every file
that a page links to; a source file becomes a page that shows it.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mermaidx  # type: ignore[import-untyped]
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

SHOWN_AS = {".py": "python", ".js": "javascript", ".css": "css", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}
"""Suffixes of the files that get their own page, with the language for highlighting."""

_DIAGRAM = re.compile(r"^```mermaid\n(?P<source>.*?)^```\n", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!\w+:|#|/)(?P<target>[^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Move every file of `docs/` to where the repository has it, and add what its pages link to."""
    root = _root(config)
    config.nav = _folders_opened(config.nav, root)
    documents = {Path(str(file.abs_src_path)) for file in files if file.src_dir == config.docs_dir}
    documents |= {path for path in _paths(config.nav, root) if path.is_file()}
    linked = {target for page in documents if page.suffix == ".md" for target in _linked_files(page, root)}
    icon = root / str(config.theme["favicon"])
    site = Files([file for file in files if file.src_dir != config.docs_dir])
    for path in sorted({*documents, *linked, icon}):
        is_source = path in linked and path.suffix in SHOWN_AS
        site.append(_shown(path, root, config) if is_source else _as_it_is(path, root, config))
    return site


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links to a source file at the page that shows it, and links to a folder at its README; draw diagrams."""
    folder = (_root(config) / page.file.src_uri).parent

    def target(link: re.Match[str]) -> str:
        path = folder / link["target"]
        if path.is_dir():
            return f"]({link['target'].rstrip('/')}/README.md"
        return f"{link[0]}.md" if path.suffix in SHOWN_AS and path.is_file() else link[0]

    if page.file.generated_by:
        return markdown
    return _DIAGRAM.sub(_drawn, _LINK.sub(target, markdown))


def _drawn(diagram: re.Match[str]) -> str:
    """An SVG in place of a Mermaid diagram, so that a reader's browser needs no script of another server for it."""
    drawing = mermaidx.render(diagram["source"]).svg()
    ids = f"diagram-{hashlib.sha256(diagram['source'].encode()).hexdigest()[:8]}"  # unique on a page with several
    return f'<figure class="diagram">{drawing.replace("my-svg", ids)}</figure>\n'


def _linked_files(page: Path, root: Path) -> set[Path]:
    """The files of the repository, other than pages, that a page links to."""
    links = _LINK.finditer(page.read_text(encoding="utf-8"))
    paths = {(page.parent / link["target"]).resolve() for link in links}
    return {path for path in paths if path.is_file() and path.suffix != ".md" and path.is_relative_to(root)}


def _folders_opened(nav: Any, root: Path) -> Any:
    """The navigation with a folder's pages, its README first, where it names a folder."""
    if isinstance(nav, dict):
        return {title: _folders_opened(item, root) for title, item in nav.items()}
    if isinstance(nav, list):
        return [_folders_opened(item, root) for item in nav]
    if not nav.endswith("/"):
        return nav
    pages = sorted((root / nav).glob("*.md"), key=lambda page: (page.name != "README.md", page.name))
    return [page.relative_to(root).as_posix() for page in pages]


def _paths(nav: Any, root: Path) -> Iterator[Path]:
    if isinstance(nav, str):
        yield root / nav
    else:
        for item in nav.values() if isinstance(nav, dict) else nav:
            yield from _paths(item, root)


def _shown(path: Path, root: Path, config: MkDocsConfig) -> File:
    name = path.relative_to(root).as_posix()
    head = f"---\nhide: [navigation, toc]\nsearch: {{exclude: true}}\n---\n# {name}"
    fence = "`" * 8
    code = f"{fence}{SHOWN_AS[path.suffix]}\n{path.read_text(encoding='utf-8')}\n{fence}"
    return File.generated(config, f"{name}.md", content=f"{head}\n\n{code}\n", inclusion=InclusionLevel.NOT_IN_NAV)


def _as_it_is(path: Path, root: Path, config: MkDocsConfig) -> File:
    return File(path.relative_to(root).as_posix(), str(root), config.site_dir, config.use_directory_urls)


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).resolve().parent
