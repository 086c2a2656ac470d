"""The wheel: built from these sources, installed beside its pinned dependencies, and used.

With every Python that the machine has. No network: the dependencies are those of this environment,
or of the one that scripts/setup made for another Python, linked into a fresh one.
"""

import importlib.metadata
import os
import pathlib
import subprocess
import sys
import sysconfig
import textwrap

import pytest
from conftest import ROOT, files

SITE = pathlib.Path(sysconfig.get_path("purelib"))
THIS = "{}.{}".format(*sys.version_info)
PYTHONS = sorted({THIS, "3.12", "3.13"})


def run(*args, env=(), **options):
    # Not what this process runs: neither its PYTHONPATH nor its cards.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "POMONA"))}
    return subprocess.run(
        [*map(str, args)], env={**kept, **dict(env)}, text=True, capture_output=True, **options
    )


def checked(*args, **options):
    done = run(*args, **options)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def installed(*packages):
    """What these and all that they need have in site-packages."""
    from packaging.requirements import Requirement

    needed, found = [*packages], {}
    while needed:
        name = needed.pop()
        if name in found:
            continue
        found[name] = {file.parts[0] for file in importlib.metadata.files(name)} - {".."}
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                needed.append(requirement.name)
    return [SITE / top for top in set.union(*found.values())]


def interpreter(version):
    """A Python of this version with the pinned packages. Skips if the machine has no such Python."""
    if version == THIS:
        return pathlib.Path(sys.executable)
    if run(ROOT / "scripts/find_python", version).returncode != 0:
        pytest.skip(f"this machine has no Python {version}")
    python = ROOT / f".venv-python{version}/bin/python"
    assert python.exists(), f"there is no {python}: run scripts/setup test"
    return python


@pytest.fixture(scope="module")
def build(tmp_path_factory, pytestconfig):
    """build(version of Python): the wheel. There is one for all from 3.12 on."""
    # The compiler by the name that the build gave it, the headers that it used and a folder beside
    # its own, so that ccache knows what it has compiled.
    folder = pytestconfig.getoption("--pomona").resolve().parent
    cache = (folder / "CMakeCache.txt").read_text()
    entries = dict(
        line.split("=", 1) for line in cache.splitlines() if "=" in line and line[0].isalpha()
    )
    compilers = {
        "CC": entries["CMAKE_C_COMPILER:FILEPATH"],
        "CXX": entries["CMAKE_CXX_COMPILER:FILEPATH"],
    }

    wheels = {}

    def wheel(version):
        python = interpreter(version)
        kind = "abi3" if int(version.split(".")[1]) >= 12 else "cp" + version.replace(".", "")
        if kind not in wheels:
            wheelhouse = tmp_path_factory.mktemp("wheel")
            checked(
                *(python, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index"),
                f"--config-settings=cmake.define.POMONA_WHEELS={SITE}",
                f"--config-settings=cmake.define.OpenVINO_DIR={SITE / 'openvino/cmake'}",
                f"--config-settings=build-dir={folder.parent / 'wheel'}-{{wheel_tag}}",
                *("--disable-pip-version-check", "-w", wheelhouse, ROOT),
                env=compilers,
            )
            (wheels[kind],) = wheelhouse.glob(f"*-{kind}-*.whl")
        return wheels[kind]

    return wheel


def environment(folder, wheel, packages, python=sys.executable):
    """A fresh environment with this wheel and links to packages, which lie in site-packages."""
    checked(python, "-m", "venv", folder)
    site = next(folder.glob("lib/python3*/site-packages"))
    for package in packages:
        if not (site / package.name).exists():
            (site / package.name).symlink_to(package)
    checked(
        *(folder / "bin/pip", "install", "--no-index", "--no-deps"),
        *("--disable-pip-version-check", wheel),
    )
    return folder


@pytest.fixture(scope="module")
def wheel(build):
    return build(THIS)


@pytest.fixture(scope="module", params=PYTHONS)
def venv(request, tmp_path_factory, build):
    """An environment of each Python."""
    python = interpreter(request.param)
    if request.param == THIS:
        needed = installed("openvino", "pyarrow")
    else:
        needed = python.parent.parent.glob("lib/python3*/site-packages/*")
    return environment(tmp_path_factory.mktemp("venv"), build(request.param), needed, python)


def test_has_what_it_needs(venv):
    checked(venv / "bin/pip", "check", "--disable-pip-version-check")


def test_the_command(venv, tmp_path, results):
    program = venv / "bin/pomona"
    version = checked(program, "--version").split()
    assert version == ["pomona", checked(*in_python(venv, "print(pomona.__version__)")).strip()]
    assert run(program, "extract").returncode == 2
    out = tmp_path / "results"
    checked(program, "run", ROOT / "samples/fruits", out, "--part-images=20")
    assert files(out) == files(results)


def in_python(venv, code):
    # -P: what lies in this folder is another pomona.
    return venv / "bin/python", "-P", "-c", "import pomona\n" + textwrap.dedent(code)


def test_the_package(venv, tmp_path, results):
    out = tmp_path / "results"
    code = f"""
        result = pomona.run({str(ROOT / "samples/fruits")!r}, {str(out)!r}, part_images=20,
                            progress=False)
        assert result.extract.featured == 50
        assert all("site-packages" in model.json["card"] for model in pomona.models())
        assert {{"py.typed", "_native.pyi"}} <= set(__import__("os").listdir(pomona.__path__[0]))
        """
    checked(*in_python(venv, code), cwd=tmp_path)
    assert files(out) == files(results)


def test_what_is_missing_is_said(venv):
    for name, package in (("PCA", "scikit-learn"), ("plots", "matplotlib")):
        done = run(*in_python(venv, f"pomona.{name}"))
        assert f"pip install {package}" in done.stderr.splitlines()[-1]


def test_the_users_cards_are_found_too(venv, tmp_path):
    code = "print([m.id for m in pomona.models()], [m.ready for m in pomona.models()])"
    everywhere = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}
    own = checked(*in_python(venv, code), env=everywhere)
    assert "'resnet50'" in own
    mine = tmp_path / "config/pomona/models"
    mine.mkdir(parents=True)
    card = ROOT / "models/resnet50.json"
    (mine / "mine.json").write_text(card.read_text().replace('"resnet50"', '"mine"'))
    assert "'mine'" in checked(*in_python(venv, code), env=everywhere)


@pytest.mark.parametrize(
    ("package", "version", "says"),
    [
        ("pyarrow", "25.0.0", "there is 25.0.0"),
        ("openvino", "2026.5.0", "there is 2026.5.0"),
        ("pyarrow", None, "there is none"),
    ],
)
def test_other_versions_are_refused(package, version, says, tmp_path, wheel):
    needed = [
        path
        for path in installed("openvino", "pyarrow")
        if path.name != package and not path.name.startswith(f"{package}-")
    ]
    other = environment(tmp_path / "venv", wheel, needed)
    site = next(other.glob("lib/python3*/site-packages"))
    if version is not None:
        info = site / f"{package}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )
        (site / package).symlink_to(SITE / package)
    done = run(other / "bin/python", "-c", "import pomona")
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: pomona") and says in last
    pinned = importlib.metadata.version(package)
    assert "pip install" in last and f"{package}=={pinned}" in last


def test_another_copy_of_a_library_is_refused(venv, tmp_path):
    other = tmp_path / "libtbb.so.12"
    other.write_bytes((SITE / "openvino/libs/libtbb.so.12").read_bytes())
    code = f"import ctypes; ctypes.CDLL({str(other)!r}); import pomona"
    done = run(venv / "bin/python", "-c", code)
    assert "has already loaded" in done.stderr and "import pomona first" in done.stderr


def test_libraries_in_another_folder(wheel, tmp_path):
    """As where the system has OpenVINO and Arrow, and a venv has Pomona."""
    bare = environment(tmp_path / "venv", wheel, [])
    site = next(bare.glob("lib/python3*/site-packages"))
    (site / "system.pth").write_text(f"{SITE}\n")
    assert checked(bare / "bin/pomona", "models", "list").startswith("efficientnet-lite0")
    checked(bare / "bin/python", "-c", "import pomona; pomona.doctor()")
