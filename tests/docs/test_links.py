"""Links between the repository's Markdown files lead somewhere, on GitHub and on the site that ``make docs`` builds."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools.embedded.shop import PROJECT

DOCS = PROJECT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FILES = [*PAGES, *PROJECT.glob("*.md"), PROJECT / "examples/README.md", PROJECT / "deploy/tls/README.md"]
FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


def prose(file: Path) -> str:
    """Return the text without code blocks."""
    return FENCED.sub("", file.read_text())


def anchors(file: Path) -> set[str]:
    """Return the anchors that both GitHub and the site make for the headings."""
    headings = re.findall(r"^#+ (.+)$", prose(file), re.MULTILINE)
    titles = [re.sub(r"[^\w\s-]", "", heading.lower()).strip() for heading in headings]
    return {re.sub(r"\s", "-", title) for title in titles} & {re.sub(r"[-\s]+", "-", title) for title in titles}


def navigation(entries: list[Any]) -> Iterator[str]:
    """Return the pages of ``nav`` in mkdocs.yml."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for target in entry.values():
                yield from navigation(target) if isinstance(target, list) else [target]


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(PROJECT)) for file in FILES])
def test_every_link_leads_to_a_file_and_a_heading(file: Path) -> None:
    for path, anchor in LINK.findall(prose(file)):
        target = (file.parent / path).resolve() if path else file
        assert target.is_file(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(DOCS)) for page in PAGES])
def test_a_page_links_to_pages_only_so_that_its_links_work_on_the_site(page: Path) -> None:
    for path, _ in LINK.findall(prose(page)):
        assert (page.parent / path).resolve().is_relative_to(DOCS), path


def test_every_page_is_in_the_navigation_once() -> None:
    nav = yaml.safe_load((PROJECT / "mkdocs.yml").read_text())["nav"]

    assert sorted(navigation(nav)) == [str(page.relative_to(DOCS)) for page in PAGES]


def test_every_page_but_the_decisions_is_on_the_first_page() -> None:
    first = {path for path, _ in LINK.findall((DOCS / "README.md").read_text())}

    assert first == {str(page.relative_to(DOCS)) for page in PAGES if not page.name[0].isdigit()} - {"README.md"}


def test_lists_and_tables_have_a_blank_line_before_them() -> None:
    """The site shows them as one paragraph otherwise; GitHub does not mind."""
    start = re.compile(r"^(?![ |]|[-*] |\d+\. )\S.*\n(?=\| |[-*] |1\. )", re.MULTILINE)

    assert [(page.name, start.findall(prose(page))) for page in PAGES if start.search(prose(page))] == []
