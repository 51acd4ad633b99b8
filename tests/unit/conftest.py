"""What several files of tests begin with."""

import pytest

from catdog.cli.main import main


@pytest.fixture(scope="session")
def made_exam(tmp_path_factory):
    """An exam and its key, as the command writes them."""
    folder = tmp_path_factory.mktemp("exam")
    words = ["--seed", "7", "--out", str(folder / "students"), "--key", str(folder / "key.json")]
    assert main(["exam", *words]) == 0
    return folder / "students" / "exam.ipynb", folder / "key.json"


@pytest.fixture(scope="session")
def exam_key(made_exam):
    from catdog.book import grading

    return grading.read_key(made_exam[1])
