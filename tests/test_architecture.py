"""The house rules that a program can see: imports point down, files and functions stay small, no forbidden calls."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "edgewright"
FILES = sorted(PACKAGE.rglob("*.py"))

# a folder may import from its own layer's listed peers and from every layer below
LAYERS: list[set[str]] = [
    {"errors", "findings", "tensors", "registry", "files", "toml_io", "_version"},
    {"graph", "kernels"},
    {"data"},
    {"tasks", "quant", "toolchains"},
    {"targets", "sources"},
    {"verify", "checks", "bundle", "runtime"},
    {"diagnose"},
    {"repair"},
    {"report", "serve"},
    {"workflow"},
    {"cli"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# arrows inside a layer: a bundle carries verification's results, the runtime opens what bundle packs, and a source is
# proven in its framework's own environment, which is the one of the framework's target
PEERS = {("runtime", "bundle"), ("bundle", "verify"), ("sources", "targets")}


def room(path: Path) -> str:
    """The folder, or the module at the top, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> list[tuple[int, str]]:
    """Line and room of every import of the package, those inside functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("edgewright"):
            names = [
                f"{node.module}.{alias.name}" if node.module == "edgewright" else node.module for alias in node.names
            ]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("edgewright.")]
        found += [(node.lineno, name.split(".")[1]) for name in names]
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path: Path) -> None:
    mine = room(path)
    if mine == "__init__":
        return  # the public surface names everything
    wrong = []
    for line, theirs in imports(path):
        assert theirs in LEVEL, f"{path}:{line}: {theirs} has no place in the layers"
        if theirs == mine or (mine, theirs) in PEERS:
            continue
        if LEVEL[theirs] >= LEVEL[mine] and LEVEL[mine] > 0:
            wrong.append(f"{path.relative_to(ROOT)}:{line}: {mine} imports {theirs}")
    assert not wrong, "\n".join(wrong)


def test_vendors_know_nothing_of_each_other() -> None:
    vendors = {folder.name for folder in (PACKAGE / "targets").iterdir() if (folder / "facts.toml").is_file()}
    assert vendors
    for vendor in vendors:
        for path in (PACKAGE / "targets" / vendor).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            others = {name for name in vendors - {vendor} if re.search(rf"targets\.{name}\b", text)}
            assert not others, f"{path} knows {others}"


def test_the_check_sees_an_upward_import(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from edgewright.workflow.deploy import run_deploy\n", encoding="utf-8")
    assert imports(bad) == [(2, "workflow")]


def test_no_file_and_no_function_grows_too_large() -> None:
    """The aim is 200 lines a file and 40 a function; what fails here is half as much again."""
    large = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > 300:
            large.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.end_lineno is not None:
                size = node.end_lineno - (node.body[0].lineno if _is_interface(path) else node.lineno)
                if size > 60:
                    large.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {size} lines")
    assert not large, "\n".join(large)


def _is_interface(path: Path) -> bool:
    """In `cli` and the Python API a signature with its help is a table, not code."""
    return room(path) == "cli" or path.name == "api.py"


def test_no_stub_and_no_exit() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise):
                assert "NotImplementedError" not in ast.dump(node), f"{path}:{node.lineno}"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in {"exit", "quit", "print"}, f"{path}:{node.lineno}"
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{path}:{node.lineno}: bare except"
