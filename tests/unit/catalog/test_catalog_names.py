import pytest

from tidemill.catalog.names import is_flow_file, is_folder_searched, is_module


@pytest.mark.parametrize("name", ["etl.py", "Etl2.py", "über.py", "a-b.py"])
def test_ordinary_python_files_may_declare_flows(name):
    assert is_flow_file(name)


@pytest.mark.parametrize(
    "name",
    [
        "etl.pyc", "etl.txt", "etl.py~", "etl.py.swp", ".etl.py", ".#etl.py", "#etl.py#", "4913", "etl.py___jb_tmp___",
        "flycheck_etl.py", "etl_flymake.py", "~etl.py", "etl.py.bak",
    ],
)  # fmt: skip
def test_hidden_and_editor_files_are_neither_flow_files_nor_modules(name):
    assert not is_flow_file(name)
    assert not is_module(name)


@pytest.mark.parametrize("name", ["_private.py", "__init__.py", "__main__.py"])
def test_private_files_are_modules_but_no_flow_files(name):
    assert is_module(name)
    assert not is_flow_file(name)


@pytest.mark.parametrize(
    ("name", "is_searched"), [("team", True), (".git", False), ("__pycache__", False), ("_lib", True)]
)
def test_hidden_folders_are_not_searched(name, is_searched):
    assert is_folder_searched(name) == is_searched
