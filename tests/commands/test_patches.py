"""docs/reference/patches.md lists each use of another library's private interface, with the version checked."""

import ast
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from devtools.embedded.shop import PROJECT

ROW = re.compile(
    r"^\| `(?P<file>[^`]+)` \| (?P<library>[\w-]+) (?P<version>\S+) \|(?P<rest>(?:[^|]+\|){3})$", re.MULTILINE
)
ROWS = [match.groupdict() for match in ROW.finditer((PROJECT / "docs/reference/patches.md").read_text())]
PACKAGES = ("seckill", "orders", "celery_task", "devtools", "loadtest")
#: Underscored, and documented all the same.
DOCUMENTED = {"_meta", "_default_manager", "_fields", "_asdict", "_replace"}


def test_the_table_has_a_row_for_each_line() -> None:
    lines = [
        line for line in (PROJECT / "docs/reference/patches.md").read_text().splitlines() if line.startswith("| `")
    ]

    assert len(ROWS) == len(lines) > 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['file']} {row['library']}")
def test_the_installed_version_is_the_one_that_was_checked(row: dict[str, str]) -> None:
    assert (PROJECT / row["file"]).is_file()
    assert version(row["library"]) == row["version"], (
        "read its row in docs/reference/patches.md, then correct the version"
    )


def test_every_private_name_of_another_library_is_in_the_table() -> None:
    used = {
        str(file.relative_to(PROJECT))
        for package in PACKAGES
        for file in (PROJECT / package).rglob("*.py")
        if set(_foreign_private_names(file)) - DOCUMENTED
    }

    assert used - {row["file"] for row in ROWS} == set()


def _foreign_private_names(file: Path) -> Iterator[str]:
    """Yield the underscored attributes and imports that neither ``self``, a class of the file nor the shop defines."""
    tree = ast.parse(file.read_text())
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)} | {"self", "cls", "super"}
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if name in own or attribute in defined:
                continue
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super"))):
                continue
            case ast.Attribute(attr=attribute) if _is_private(attribute):
                yield attribute
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] not in PACKAGES:
                yield from filter(_is_private, [*module.split("."), *(alias.name for alias in node.names)])


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")
