"""The baseline: a revision of a repository in its own directory with its own Python."""

import os
import subprocess
from pathlib import Path

import pytest

from loadtest.benchmark.revision import COMPLETE, Revision, RevisionError, set_up
from loadtest.benchmark.shop import with_former_names


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


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the tags `first` and `second`; neither has dependencies."""
    repository = tmp_path_factory.mktemp("project")
    git(repository, "init", "--quiet")
    nothing = {"requirements__txt": "", "requirements_demo__txt": "-r requirements.txt\n"}
    commit(repository, **nothing, price__txt="10", __gitignore="*.log\n")
    git(repository, "tag", "first")
    commit(repository, price__txt="20")
    git(repository, "tag", "second")
    return repository


@pytest.fixture(scope="module")
def revisions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the revisions. Tests share it: creating an environment takes seconds."""
    return tmp_path_factory.mktemp("revisions")


def price(revision: Revision) -> str:
    return (revision.directory / "price.txt").read_text()


def test_a_revision_is_checked_out_and_has_a_python_of_its_own(project: Path, revisions: Path) -> None:
    revision = set_up("first", project=project, directory=revisions)

    assert (revision.label, price(revision)) == ("first", "10")
    assert (project / "price.txt").read_text() == "20"
    prefix = revision.run(os.environ, "-c", "import os, sys; print(sys.prefix, os.getcwd())").split()
    assert prefix == [str(revision.python.parents[1]), str(revision.directory)]
    assert prefix[0].startswith(str(revisions))


def test_it_is_used_again_and_one_python_serves_all_that_need_the_same(
    project: Path, revisions: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = set_up("first", project=project, directory=revisions)
    capfd.readouterr()
    (first.directory / "shop.log").touch()  # ignored by git
    again = set_up("first", project=project, directory=revisions)
    newest = set_up("second", project=project, directory=revisions)
    assert "Installing" not in capfd.readouterr().out
    assert again == first
    assert (first.directory / "shop.log").exists()
    assert (price(newest), newest.python) == ("20", first.python)
    assert newest.directory != first.directory


@pytest.mark.parametrize("harm", ["changed", "gone", "half", "elsewhere"])
def test_what_is_not_that_revision_is_checked_out_anew(project: Path, revisions: Path, harm: str) -> None:
    checkout = set_up("first", project=project, directory=revisions).directory
    if harm == "changed":
        (checkout / "price.txt").write_text("1")
    elif harm == "gone":
        subprocess.run(["rm", "-r", str(checkout)], check=True)  # noqa: S607
    elif harm == "half":  # interrupted: files, but no worktree
        (checkout / ".git").unlink()
    else:
        git(checkout, "checkout", "--quiet", "--detach", git(project, "rev-parse", "second"))
    revision = set_up("first", project=project, directory=revisions)
    assert (price(revision), git(checkout, "status", "--porcelain")) == ("10", "")


def test_an_interrupted_installation_is_made_anew(
    project: Path, revisions: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    revision = set_up("first", project=project, directory=revisions)
    capfd.readouterr()
    environment = revision.python.parents[1]
    (environment / COMPLETE).unlink()
    (environment / "half").touch()
    set_up("first", project=project, directory=revisions)
    assert f"Installing what {revision.directory.name} needs into {environment}" in capfd.readouterr().out
    assert (environment / COMPLETE).exists()
    assert not (environment / "half").exists()


def test_other_requirements_get_another_python(project: Path, revisions: Path) -> None:
    first = set_up("first", project=project, directory=revisions)
    commit(project, requirements__txt="# nothing either\n")
    assert set_up("HEAD", project=project, directory=revisions).python != first.python


@pytest.mark.parametrize("name", ["no-such", "", "--help", "first:price.txt"])
def test_a_name_that_is_no_revision_is_refused(project: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(RevisionError, match="BASELINE has to be a revision that git knows here, not"):
        set_up(name, project=project, directory=tmp_path / "revisions")
    assert not (tmp_path / "revisions").exists()


def test_a_directory_that_is_no_repository_has_no_revisions(tmp_path: Path) -> None:
    with pytest.raises(RevisionError, match="BASELINE has to be a revision that git knows here, not 'first'"):
        set_up("first", project=tmp_path, directory=tmp_path / "revisions")


def test_a_revision_that_can_not_be_installed_says_why(project: Path, revisions: Path) -> None:
    commit(project, requirements__txt="./there-is-nothing-here\n")
    with pytest.raises(RevisionError, match="there-is-nothing-here"):
        set_up("HEAD", project=project, directory=revisions)
    git(project, "rm", "--quiet", "requirements-demo.txt")
    git(project, "commit", "--quiet", "--message", "no demo")
    with pytest.raises(RevisionError, match=r"This revision has no requirements-demo\.txt"):
        set_up("HEAD", project=project, directory=revisions)


def test_older_revisions_find_their_variables_too() -> None:
    environment = {
        "SECKILL_BIND": "127.0.0.1:8001",
        "SECKILL_LOG_LEVEL": "WARNING",
        "LOG_LEVEL": "INFO",
        "PORT": "8000",
    }

    assert with_former_names(environment) == {
        **environment,
        "BIND": "127.0.0.1:8001",
        "LOG_LEVEL": "INFO",
    }
