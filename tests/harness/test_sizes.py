"""Files that people read stay short."""

from devtools.embedded.shop import PROJECT

LINES_MAX = 400
NOT_OURS = {".venv", "var", "migrations"}


def test_no_python_file_has_more_than_400_lines() -> None:
    files = [file for file in PROJECT.rglob("*.py") if not NOT_OURS & set(file.relative_to(PROJECT).parts)]
    sizes = {str(file.relative_to(PROJECT)): len(file.read_text(encoding="utf-8").splitlines()) for file in files}

    assert len(sizes) > 300
    assert {name: lines for name, lines in sizes.items() if lines > LINES_MAX} == {}
