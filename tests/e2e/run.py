"""Runs one declarative end-to-end test: command lines, and what must come out.

    run.py --pomona PATH FILE.test

Each test runs in an empty folder of its own, which is also HOME, with `pomona`, this interpreter
(as python3) and the files of tools/ on PATH. SAMPLES is samples/fruits, IMAGES tests/images, ROOT
the repository, WEIGHTS the ResNet50 files of the build. Lines of a .test file:

    # text       a comment; `## text` starts a case and names it
    $ command    run by bash in the test's folder, a pipe failing if any of it does; continues on
                 lines that start with two blanks
    ? 4          its exit code (0 if not given)
    > text       a line of its stdout contains this
    2> text      a line of its stderr contains this
    !> text      neither stdout nor stderr contains this

A command runs once; the lines below it, up to the next command, are about it.
"""
import argparse
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TIMEOUT_SECONDS = 300


@dataclasses.dataclass
class Command:
    line: int
    case: str
    text: str
    exit_code: int = 0
    stdout: list = dataclasses.field(default_factory=list)
    stderr: list = dataclasses.field(default_factory=list)
    absent: list = dataclasses.field(default_factory=list)


def parse(path):
    commands, case = [], path.stem
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("## "):
            case = line[3:]
        elif line.startswith("$ "):
            commands.append(Command(number, case, line[2:]))
        elif line.startswith("  ") and commands:
            commands[-1].text += "\n" + line[2:]
        elif line.startswith("? "):
            commands[-1].exit_code = int(line[2:])
        elif line.startswith("> "):
            commands[-1].stdout.append(line[2:])
        elif line.startswith("2> "):
            commands[-1].stderr.append(line[3:])
        elif line.startswith("!> "):
            commands[-1].absent.append(line[3:])
        elif line.strip() and not line.startswith("#"):
            sys.exit(f"{path}:{number}: not a line of a test: {line}")
    if not commands:
        sys.exit(f"{path}: no command")
    return commands


def complaints(command, result):
    if result.returncode != command.exit_code:
        yield f"exit code {result.returncode}, not {command.exit_code}"
    for stream, texts in ((result.stdout, command.stdout), (result.stderr, command.stderr)):
        name = "stdout" if stream is result.stdout else "stderr"
        for text in texts:
            if not any(text in line for line in stream.splitlines()):
                yield f"{name} lacks: {text}"
    for text in command.absent:
        if text in result.stdout or text in result.stderr:
            yield f"it says: {text}"


def run(command, folder, env):
    # timeout(1) ends everything that the command started, and gives 124.
    line = ["timeout", "--kill-after=5", str(TIMEOUT_SECONDS),
            "bash", "-o", "pipefail", "-c", command.text]
    return subprocess.run(line, cwd=folder, env=env, text=True, errors="backslashreplace",
                          stdin=subprocess.DEVNULL, capture_output=True)


def environment(pomona, home):
    """The environment of a test: this one, but for what would change what pomona does."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("POMONA_", "XDG_"))}
    python = pathlib.Path(sys.executable).parent
    env["PATH"] = os.pathsep.join(map(str, (pomona.parent, HERE / "tools", python, env["PATH"])))
    env.pop("NO_COLOR", None)
    env.update(HOME=str(home), LC_ALL="C.UTF-8", PYTHONDONTWRITEBYTECODE="1",
               ROOT=str(ROOT), SAMPLES=str(ROOT / "samples/fruits"),
               IMAGES=str(ROOT / "tests/images"), WEIGHTS=str(pomona.parent / "test-weights"))
    return env


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pomona", type=pathlib.Path, required=True)
    parser.add_argument("test", type=pathlib.Path)
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="pomona-e2e-") as folder:
        env = environment(args.pomona.resolve(), folder)
        for command in parse(args.test):
            result = run(command, folder, env)
            found = list(complaints(command, result))
            if found:
                failed += 1
                print(f"{args.test.name}:{command.line} [{command.case}]\n  $ {command.text}")
                print("".join(f"  {c}\n" for c in found), end="")
                print(f"  stdout: {result.stdout}\n  stderr: {result.stderr}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
