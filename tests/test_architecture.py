"""One direction of flow (docs/architecture.md), read from the imports, and a core that stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import manifoldconv as mc

PACKAGE = Path(__file__).parent.parent / "manifoldconv"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Who may not import whom, by the start of the module's name inside the package.
GEOMETRY = ("manifolds", "surface", "homogeneous")
EVALUATION = ("pullback", "correlate", "ops", "nn")
FACES = ("plot", "view", "cli")
FORBIDDEN = {
    "errors": (*GEOMETRY, "groups", "quadrature", "sampling", "kernels", *EVALUATION, *FACES),
    "groups": (*GEOMETRY, "quadrature", "sampling", "kernels", *EVALUATION, *FACES),
    "quadrature": (*GEOMETRY, "sampling", "kernels", *EVALUATION, *FACES),
    "sampling": (*GEOMETRY, "kernels", *EVALUATION, *FACES),
    "manifolds": ("kernels", *EVALUATION, *FACES),
    "surface": ("kernels", *EVALUATION, *FACES),
    "homogeneous": ("kernels", *EVALUATION, *FACES),
    "kernels": (*GEOMETRY, "sampling", *EVALUATION, *FACES),
    "pullback": ("kernels", "correlate", "nn", *FACES),
    "ops": (*GEOMETRY, "kernels", "pullback", "correlate", "nn", *FACES),
    "lifting": ("kernels", "correlate", "nn", *FACES),
    "correlate": ("nn", *FACES),
    "nn": FACES,
    "plot": ("view", "cli"),
}
# Libraries for the faces alone, or for one place; the core never needs them.
ONLY_IN = {
    "matplotlib": ("plot", "cli"),
    "typer": ("cli",),
    "rich": ("cli", "training"),
    "trimesh": ("surface",),
    "viser": ("view",),
    "potpourri3d": ("surface",),
    "geomstats": ("manifolds",),
    "lightning": (),
    "torch_geometric": ("pyg",),
    "distributed": ("precompute",),
}


def imports(module: Path) -> list[tuple[int, str]]:
    """The absolute names that a module imports, with their lines; imports for types alone are left out."""
    found = []
    home = ["manifoldconv", *module.relative_to(PACKAGE).parts[:-1]]
    nodes = [ast.parse(module.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop(0)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            nodes[:0] = node.orelse
            continue
        nodes[:0] = ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = home[: len(home) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            found += [(node.lineno, f"{source}.{name.name}") for name in node.names]
    return found


def place(module: Path) -> str:
    """The part of the package that a module belongs to: "surface", "groups", ..."""
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def violations(module: Path) -> list[str]:
    """The imports of a module that break a rule, each with its line."""
    part, broken = place(module), []
    for line, name in imports(module):
        top, _, rest = name.partition(".")
        inner = rest.split(".")[0]
        if top == "manifoldconv" and inner in FORBIDDEN.get(part, ()):
            broken.append(f"{module}:{line}: {part} imports {inner}")
        if top in ONLY_IN and part not in ONLY_IN[top]:
            broken.append(f"{module}:{line}: {part} imports {top}")
    return broken


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_looks_back_up_the_line(module: Path) -> None:
    assert violations(module) == []


def test_the_rule_sees_an_import_wherever_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "surface" / "bad.py"
    broken.parent.mkdir()
    broken.write_text(
        "from ..kernels import gaussian\ndef f():\n    import manifoldconv.correlate\n    import typer\n"
    )
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    assert [text.split(": ")[1] for text in violations(broken)] == [
        "surface imports kernels",
        "surface imports correlate",
        "surface imports typer",
    ]


def in_a_new_process(code: str) -> list[str]:
    """The words that some code prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_importing_the_package_and_its_command_line_waits_for_nothing() -> None:
    loaded = in_a_new_process("import sys, manifoldconv, manifoldconv.cli; print(*sys.modules)")
    assert not {"torch", "numba", "scipy", "matplotlib", "trimesh", "potpourri3d"} & set(loaded)


def test_using_the_public_names_loads_no_library_of_the_faces() -> None:
    code = "import sys; from manifoldconv import *; MeshSurface, correlate; print(*sys.modules)"
    loaded = set(in_a_new_process(code))
    assert "torch" in loaded
    assert not {*ONLY_IN, "pandas", "skimage", "IPython"} & loaded


def test_a_public_name_is_not_hidden_by_a_module_of_the_same_name() -> None:
    code = (
        "import manifoldconv.correlate, manifoldconv as mc; from manifoldconv.correlate import check_admissible\n"
        "print(type(mc.correlate).__name__, mc.kernels.__name__, mc.testing.__name__)"
    )
    assert in_a_new_process(code) == ["function", "manifoldconv.kernels", "manifoldconv.testing"]


def test_the_public_names_are_there_and_are_those_that_type_checkers_see() -> None:
    assert all(hasattr(mc, name) for name in mc.__all__)
    assert {*mc.__all__, "__version__"} <= set(dir(mc))
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = mc.nonsense
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (block,) = [
        node for node in tree.body if isinstance(node, ast.If) and "not" not in ast.unparse(node.test)
    ]
    seen = {
        name.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    homes = {name: f"manifoldconv.{home}" for name, home in mc._HOMES.items()}
    assert seen == homes | dict.fromkeys(mc._MODULES, "manifoldconv")
