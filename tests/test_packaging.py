"""What is installed and what is imported when: requirements agree, and a saved model is used without TensorFlow."""

import re
import subprocess
import sys
import tomllib

import pytest
from setuptools import find_packages

import denoise_utils
from tests.conftest import ROOT


def read_requirements(name):
    lines = (ROOT / name).read_text().splitlines()
    return {line.partition("#")[0].strip() for line in lines if line.strip() and not line.startswith(("#", "-"))}


def test_requirements_are_those_of_the_package_and_its_course():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {*project["dependencies"], *project["optional-dependencies"]["course"]}
    assert read_requirements("requirements.txt") == declared
    assert {re.split("[<>=]", line)[0] for line in project["dependencies"]} == {"keras", "numpy", "h5py", "Pillow"}


def test_constraints_name_every_requirement_at_one_version():
    constrained = {re.split("==", line)[0].lower().replace("_", "-") for line in read_requirements("constraints.txt")}
    asked = read_requirements("requirements.txt") | read_requirements("requirements-dev.txt")
    assert {re.split("[<>=]", line)[0].lower() for line in asked} <= constrained


COURSE = {
    "tensorflow",
    "keras_tuner",
    "tensorboard",
    "matplotlib",
    "sklearn",
    "skimage",
    "pywt",
    "psutil",
    "IPython",
    "joblib",
    "jinja2",
}


def test_commands_of_reuse_import_nothing_of_the_course():
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({COURSE}))  # as if they were not installed\n"
        "from denoise_utils import cli, reuse, saving\nfrom denoise_utils.pictures import images\n"
        "print(cli.main(['show', 'models/clutter_small.h5']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "0", done.stderr[-2000:]


def test_keras_takes_what_is_installed_where_tensorflow_is_not(tmp_path):
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").touch()
    program = (
        "import importlib.util, sys; find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'tensorflow' else find(name, *more)\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import os, denoise_utils; print(os.environ.get('KERAS_BACKEND'))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "jax", done.stderr


PACKAGE = ROOT / "denoise_utils"
TOP = {path.stem for path in PACKAGE.glob("[!_]*.py")}
ROOMS = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def test_every_room_is_installed():
    find = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    folders = {".".join(path.relative_to(ROOT).parent.parts) for path in PACKAGE.rglob("*.py")}
    assert set(find_packages(ROOT, include=find["include"])) == folders


def test_map_of_the_house_names_every_module_and_room():
    lines = denoise_utils.__doc__.splitlines()
    assert {line.split()[0] for line in lines if re.match("[a-z]+  ", line)} == TOP == set(denoise_utils.__all__)
    assert {word[:-1] for word in denoise_utils.__doc__.split() if re.fullmatch("[a-z]+/", word)} == ROOMS


def test_modules_are_imported_when_first_used():
    program = (
        "import sys, denoise_utils\n"
        "def loaded(): return sorted({'tensorflow', 'keras', 'numpy', 'denoise_utils.reuse'} & set(sys.modules))\n"
        "print(loaded()); denoise_utils.profiles.load_profile('tiny'); print(loaded())\n"
        "denoise_utils.reuse.denoise; print('denoise_utils.reuse' in loaded())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines() == ["[]", "[]", "True"], done.stderr


def test_name_that_no_module_has_is_no_attribute():
    with pytest.raises(AttributeError, match=r"no attribute 'nowhere': help\(denoise_utils\) shows a map"):
        denoise_utils.nowhere.denoise()
