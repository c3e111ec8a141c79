"""What a machine lacks is named at once, before anything is fetched or built."""

import shutil
import subprocess
from pathlib import Path

import pytest

INSTALL = Path(__file__).parents[2] / "containers" / "cellprofiler" / "install.sh"
SHELL_TOOLS = ("bash", "cat", "cksum", "dirname", "env", "ls", "readlink", "rm", "tail")


def _tools(folder: Path, *names: str) -> Path:
    """A folder to be the whole PATH, in place of /usr/lib/jvm too: only the named programs are in it."""
    folder.mkdir()
    for name in names:
        program = shutil.which(name)
        assert program, name
        (folder / name).symlink_to(program)
    return folder


def _install(path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(path / "bash"), str(INSTALL), *arguments],
        env={"PATH": str(path), "HOME": str(path), "CPB_JVM_FOLDER": str(path), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _program(path: Path, script: str) -> Path:
    path.write_text(f"#!/usr/bin/env bash\n{script}\n")
    path.chmod(0o755)
    return path


def _jdk(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "include").mkdir()
    (folder / "include" / "jni.h").touch()
    _program(folder / "bin" / "javac", "true")
    return folder


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return _tools(tmp_path / "bin", *SHELL_TOOLS)


@pytest.mark.parametrize("arguments", [["--check"], []], ids=["check", "install"])
def test_all_that_is_missing_is_named_with_the_line_that_installs_it(
    bare: Path, tmp_path: Path, arguments: list[str]
) -> None:
    destination = tmp_path / "cellprofiler"
    result = _install(bare, *arguments, str(destination))
    assert result.returncode == 2
    assert "a JDK" in result.stderr
    assert "a C compiler" in result.stderr
    assert "a C++ compiler" in result.stderr
    assert "sudo apt-get install -y default-jdk-headless build-essential" in result.stderr
    assert "sudo dnf install -y" in result.stderr
    assert "brew install" in result.stderr
    assert not destination.exists()


def test_a_java_without_a_compiler_is_no_jdk(bare: Path, tmp_path: Path) -> None:
    java = tmp_path / "jre"
    (java / "bin").mkdir(parents=True)
    _program(java / "bin" / "java", "true")
    result = _install(bare, "--check", str(tmp_path / "x"), JAVA_HOME=str(java))
    assert result.returncode == 2
    assert "a JDK" in result.stderr


def test_what_is_there_is_not_named(bare: Path, tmp_path: Path) -> None:
    java = _jdk(tmp_path / "jdk")
    result = _install(bare, "--check", str(tmp_path / "x"), JAVA_HOME=str(java))
    assert result.returncode == 2
    assert "a JDK (" not in result.stderr
    assert "a C compiler" in result.stderr
    _program(bare / "cc", "true")
    _program(bare / "c++", "true")
    result = _install(bare, "--check", str(tmp_path / "x"), JAVA_HOME=str(java))
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("script", "status", "message"),
    [
        ("echo 4.2.8.1", 0, "CellProfiler 4.2.8.1"),
        ("echo a warning; echo 4.2.8", 0, "CellProfiler 4.2.8:"),
        ("echo 4.2.6", 0, "is version 4.2.6; this project is tested with 4.2.8"),
        ("echo no Java >&2; exit 1", 2, "does not run:\nno Java"),
    ],
)
def test_an_existing_cellprofiler_needs_nothing_else(
    bare: Path, tmp_path: Path, script: str, status: int, message: str
) -> None:
    program = _program(tmp_path / "cellprofiler", script)
    destination = tmp_path / "environment"
    result = _install(bare, str(destination), CELLPROFILER=str(program))
    assert result.returncode == status
    assert message in result.stderr
    assert not destination.exists()


def test_a_cellprofiler_that_is_not_there_is_named(bare: Path, tmp_path: Path) -> None:
    missing = str(tmp_path / "cellprofiler")
    result = _install(bare, str(tmp_path / "environment"), CELLPROFILER=missing)
    assert result.returncode == 2
    assert missing in result.stderr


def test_the_one_to_be_installed_is_not_taken_for_an_existing_one(bare: Path, tmp_path: Path) -> None:
    """The Makefile exports the path of its own CellProfiler before it is there."""
    destination = tmp_path / "environment"
    result = _install(bare, str(destination), CELLPROFILER=str(destination / "bin" / "cellprofiler"))
    assert result.returncode == 2
    assert "a JDK" in result.stderr


def test_bytecode_beside_the_smoke_test_is_no_part_of_what_is_installed(bare: Path, tmp_path: Path) -> None:
    """A Python that imports the smoke test leaves a folder there, which is no file to read."""
    folder = tmp_path / "cellprofiler"
    shutil.copytree(INSTALL.parent, folder)
    (folder / "smoke" / "__pycache__").mkdir(exist_ok=True)
    (folder / "smoke" / "__pycache__" / "check.cpython-311.pyc").touch()
    destination = tmp_path / "environment"
    destination.mkdir()
    (destination / ".installed").touch()
    result = subprocess.run(
        [str(bare / "bash"), str(folder / "install.sh"), "--check", str(destination)],
        env={"PATH": str(bare), "HOME": str(tmp_path), "CPB_JVM_FOLDER": str(bare)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "JDK" in result.stderr
    assert "cat:" not in result.stderr


def test_a_folder_of_someone_else_is_not_deleted(tmp_path: Path) -> None:
    """The destination is replaced as a whole: a mistyped one must not be."""
    java = _jdk(tmp_path / "jdk")
    bin_folder = _tools(tmp_path / "bin", *SHELL_TOOLS)
    for compiler in ("cc", "c++"):
        _program(bin_folder / compiler, "true")
    _program(bin_folder / "uv", "exit 1")
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.txt").touch()
    result = _install(bin_folder, str(home), JAVA_HOME=str(java))
    assert result.returncode == 2
    assert "not touched" in result.stderr
    assert [path.name for path in home.iterdir()] == ["thesis.txt"]
