"""The house: who may import whom, what is declared, and how large a room, a module and a function may be."""

import ast
import importlib.metadata
import re
import sys
import tomllib

from tests import processes
from tests.conftest import ROOT

PACKAGE = ROOT / "denoise_utils"
MODULES = sorted(PACKAGE.rglob("*.py"))
OPENS = ROOT / "benchmarks" / "opens.py"  # runs in environments of its own
MOST_ON_TOP, MOST_LINES, MOST_LINES_OF_A_FUNCTION = 13, 250, 40


def name_of(path):
    return str(path.relative_to(ROOT))


def parse(path):
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def test_imports_go_down():
    """In a process of its own: the linter leaves its console behind, on an output that pytest has closed."""
    done = processes.run("import sys\nfrom importlinter import cli\nsys.exit(cli.lint_imports(no_cache=True))")
    assert done.returncode == 0, done.stdout


def imported(path):
    """Return the names of the top-level packages that a file imports, wherever in it that is written."""
    found = set()
    for node in parse(path):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def normal(name):
    """Return a distribution's name as all its spellings are compared."""
    return re.sub("[-_.]+", "-", name).lower()


def declared():
    """Return the names of the distributions that the project asks for."""
    lines = [line for name in ("", "-dev") for line in (ROOT / f"requirements{name}.txt").read_text().splitlines()]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines += project["build-system"]["requires"] + project["project"]["dependencies"]
    lines += [line for extra in project["project"]["optional-dependencies"].values() for line in extra]
    return {normal(re.match(r"[\w.-]*", line)[0]) for line in lines}


def test_every_package_that_is_imported_is_declared():
    distributions, asked = importlib.metadata.packages_distributions(), declared()
    scripts = [path for folder in ("benchmarks", "notebooks", "docs/website") for path in (ROOT / folder).glob("*.py")]
    ours = {"denoise_utils", "tests", "making", *(script.stem for script in scripts)}
    rooms = [
        path for folder in ("notebooks/making", "notebooks/text", "tests") for path in (ROOT / folder).glob("*.py")
    ]
    for path in {*MODULES, *scripts, *rooms} - {OPENS}:
        for name in imported(path) - set(sys.stdlib_module_names) - ours:
            found = {normal(one) for one in distributions.get(name, [name])}
            assert found & asked, f"{name_of(path)} imports {name}: write {found} into the requirements"


def test_no_test_file_imports_another():
    """What two of them need lies in a module beside them, such as making.py."""
    for path in (ROOT / "tests").glob("test_*.py"):
        found = [node for node in parse(path) if isinstance(node, ast.ImportFrom) and not node.level]
        names = {f"{node.module}.{alias.name}" for node in found for alias in node.names}
        names |= {alias.name for node in parse(path) if isinstance(node, ast.Import) for alias in node.names}
        assert not [name for name in names if name.startswith("tests.test_")], name_of(path)


def read_calls(path):
    """Return (module, name) of all that a notebook takes from the package: ("denoise_utils.noise", "TASKS")."""
    named, nodes = {}, list(parse(path))
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == PACKAGE.name:
            named |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
    modules = {name: ".".join(place) for name, place in named.items()}
    attributes = [node for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)]
    return {*named.values(), *((modules[one.value.id], one.attr) for one in attributes if one.value.id in modules)}


def find_bare(function):
    """Return the arguments of a function, but for *those and **those, that have no annotation, and "return"."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    bare = [one.arg for one in arguments if one.annotation is None]
    return bare if function.returns else [*bare, "return"]


def test_functions_that_notebooks_call_are_annotated():
    functions = {
        (".".join(path.relative_to(ROOT).with_suffix("").parts), node.name): node
        for path in MODULES
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    texts = (ROOT / "notebooks" / "text").glob("*.py")
    called = functions.keys() & {call for path in texts for call in read_calls(path)}
    assert {("denoise_utils.lessons", "begin"), ("denoise_utils.zoo.recipes", "train")} <= called
    bare = {".".join(call): find_bare(functions[call]) for call in called}
    assert not {name: arguments for name, arguments in bare.items() if arguments}


def test_few_modules_lie_on_top():
    on_top = [path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__")]
    assert len(on_top) <= MOST_ON_TOP, on_top


def test_no_module_is_longer_than_a_few_screens():
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert not {name: length for name, length in lengths.items() if length > MOST_LINES}


def test_no_function_is_longer_than_a_screen():
    functions = [(path, node) for path in MODULES for node in parse(path) if isinstance(node, ast.FunctionDef)]
    lengths = {f"{name_of(path)}, {node.name}": node.end_lineno - node.lineno + 1 for path, node in functions}
    assert not {name: length for name, length in lengths.items() if length > MOST_LINES_OF_A_FUNCTION}


def test_the_profile_is_handed_down():
    """A call that hands down a dict, `**sizes`, is trusted. (Parameters are called as what they hold.)"""
    missing = []
    for path in MODULES:
        for node in parse(path):
            name = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
            if name not in ("load_splits", "load_task"):
                continue
            handed = {one.arg for one in node.keywords} | {getattr(one, "id", "") for one in node.args}
            if not {"profile", None} & handed:
                missing.append(f"{name_of(path)}, line {node.lineno}")
    assert not missing, f"Expected profile=... (notebooks alone may leave it out) in {missing}"
