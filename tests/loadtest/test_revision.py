"""The baseline: a revision of a repository, in a directory of its own, with a Python of its own."""

import os
import subprocess
from pathlib import Path

import pytest

from loadtest.benchmark.revision import COMPLETE, Revision, RevisionError, set_up


def git(repository: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@shop.example")
    return subprocess.run(
        ["git", "-C", str(repository), *identity, *arguments],  # noqa: S607 (whichever git there is)
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip


def commit(repository: Path, **files: str) -> None:
    for name, text in files.items():
        (repository / name.replace("_", "-").replace("--", ".")).write_text(text)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "as it is")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a tag `first` and a second commit; both need nothing from anywhere."""
    repository = tmp_path / "project"
    repository.mkdir()
    git(repository, "init", "--quiet")
    nothing = {"requirements__txt": "", "requirements_demo__txt": "-r requirements.txt\n"}
    commit(repository, **nothing, price__txt="10", __gitignore="*.log\n")
    git(repository, "tag", "first")
    commit(repository, price__txt="20")
    return repository


def price(revision: Revision) -> str:
    return (revision.directory / "price.txt").read_text()


def test_a_revision_is_checked_out_and_has_a_python_of_its_own(project: Path, tmp_path: Path) -> None:
    revision = set_up("first", project=project, directory=tmp_path / "revisions")

    assert (revision.label, price(revision)) == ("first", "10")
    assert (project / "price.txt").read_text() == "20"
    prefix = revision.run(os.environ, "-c", "import os, sys; print(sys.prefix, os.getcwd())").split()
    assert prefix == [str(revision.python.parents[1]), str(revision.directory)]
    assert prefix[0].startswith(str(tmp_path / "revisions"))


def test_it_is_used_again_and_one_python_serves_all_that_need_the_same(
    project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = set_up("first", project=project, directory=tmp_path / "revisions")
    assert "Installing" in capfd.readouterr().out
    (first.directory / "shop.log").touch()  # git ignores it
    again = set_up("first", project=project, directory=tmp_path / "revisions")
    newest = set_up("HEAD", project=project, directory=tmp_path / "revisions")
    assert "Installing" not in capfd.readouterr().out
    assert again == first
    assert (first.directory / "shop.log").exists()
    assert (price(newest), newest.python) == ("20", first.python)
    assert newest.directory != first.directory


@pytest.mark.parametrize("harm", ["changed", "gone", "half", "elsewhere"])
def test_what_is_not_that_revision_is_checked_out_anew(project: Path, tmp_path: Path, harm: str) -> None:
    checkout = set_up("first", project=project, directory=tmp_path / "revisions").directory
    if harm == "changed":
        (checkout / "price.txt").write_text("1")
    elif harm == "gone":
        subprocess.run(["rm", "-r", str(checkout)], check=True)  # noqa: S607
    elif harm == "half":  # interrupted: files, but no worktree
        (checkout / ".git").unlink()
    else:
        git(checkout, "checkout", "--quiet", "--detach", git(project, "rev-parse", "HEAD"))
    revision = set_up("first", project=project, directory=tmp_path / "revisions")
    assert (price(revision), git(checkout, "status", "--porcelain")) == ("10", "")


def test_an_interrupted_installation_is_made_anew(
    project: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    revision = set_up("first", project=project, directory=tmp_path / "revisions")
    environment = revision.python.parents[1]
    (environment / COMPLETE).unlink()
    (environment / "half").touch()
    set_up("first", project=project, directory=tmp_path / "revisions")
    assert capfd.readouterr().out.count("Installing") == 2
    assert (environment / COMPLETE).exists()
    assert not (environment / "half").exists()


def test_other_requirements_get_another_python(project: Path, tmp_path: Path) -> None:
    first = set_up("first", project=project, directory=tmp_path / "revisions")
    commit(project, requirements__txt="# nothing either\n")
    assert set_up("HEAD", project=project, directory=tmp_path / "revisions").python != first.python


@pytest.mark.parametrize("name", ["no-such", "", "--help", "first:price.txt"])
def test_a_name_that_is_no_revision_is_refused(project: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(RevisionError, match="BASELINE has to be a revision that git knows here, not"):
        set_up(name, project=project, directory=tmp_path / "revisions")
    assert not (tmp_path / "revisions").exists()


def test_a_directory_that_is_no_repository_has_no_revisions(tmp_path: Path) -> None:
    with pytest.raises(RevisionError, match="BASELINE has to be a revision that git knows here, not 'first'"):
        set_up("first", project=tmp_path, directory=tmp_path / "revisions")


def test_a_revision_that_can_not_be_installed_says_why(project: Path, tmp_path: Path) -> None:
    commit(project, requirements__txt="./there-is-nothing-here\n")
    with pytest.raises(RevisionError, match="there-is-nothing-here"):
        set_up("HEAD", project=project, directory=tmp_path / "revisions")
    git(project, "rm", "--quiet", "requirements-demo.txt")
    git(project, "commit", "--quiet", "--message", "no demo")
    with pytest.raises(RevisionError, match=r"This revision has no requirements-demo\.txt"):
        set_up("HEAD", project=project, directory=tmp_path / "revisions")
