#!/usr/bin/env python3
"""Checks the shape of the house: which room includes which, and a few rules every file keeps.

    check_rooms.py [ROOT]

A room may include itself and the rooms that CMakeLists.txt gives it (`pomona_room(NAME ROOMS ...)`,
directly or through another room); a room may be given only rooms declared above it. Tests,
benchmarks and a room's own helpers for them (testing.h, test_*.h) may include pomona/testing too. Every header says `#pragma once`, and no file names a
folder of the machine it was written on. Prints one line a finding; exit code 1 if there is any.
"""

import pathlib
import re
import subprocess
import sys

ROOM = re.compile(r"^pomona_room\((\w+)([^)]*)\)", re.MULTILINE)
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]pomona/(\w+)/', re.MULTILINE)
# Home folders and scratch places: right on one machine only.
MACHINE_PATH = re.compile(r"(?<![\w.$~}/-])/(?:work|root|tmp|Users|home/\w+)/\w[\w.-]*")
SKIPPED = {".git", ".venv", ".venv-bench", "build", "results", "__pycache__"}


def read_rooms(cmake_text):
    """{room: rooms it may include}, and what is wrong with the declarations."""
    allowed, findings = {}, []
    for match in ROOM.finditer(cmake_text):
        room, arguments = match.group(1), match.group(2).split()
        given = []
        if "ROOMS" in arguments:
            for word in arguments[arguments.index("ROOMS") + 1 :]:
                if word.isupper():
                    break
                given.append(word)
        allowed[room] = {room}
        for other in given:
            if other not in allowed or other == room:
                findings.append(f"CMakeLists.txt: {room} is given {other}, which is not above it")
            else:
                allowed[room] |= allowed[other]
    return allowed, findings


def check_includes(path, text, allowed):
    room = path.parts[2]
    if room == "testing":
        return
    may = allowed.get(room)
    if may is None:
        yield f"{path}: no pomona_room({room} ...) in CMakeLists.txt"
        return
    is_test = re.fullmatch(r"test_.*|testing|.*_(test|bench)", path.stem)
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match and match.group(1) not in may and not (is_test and match.group(1) == "testing"):
            yield f"{path}:{number}: {room} must not include {match.group(1)}"


def files_of(root):
    """Files of the repository, relative to root: git's, or all of them in a source archive."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0 and (root / ".git").exists():
        names = [pathlib.Path(name.decode()) for name in listed.stdout.split(b"\0") if name]
    else:
        names = [path.relative_to(root) for path in root.rglob("*")]
    return sorted(
        name for name in names if not SKIPPED & set(name.parts) and (root / name).is_file()
    )


def check(root):
    allowed, findings = read_rooms((root / "CMakeLists.txt").read_text())
    if not allowed:
        findings.append("CMakeLists.txt: no pomona_room(...) found")
    for path in files_of(root):
        try:
            text = (root / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if match := MACHINE_PATH.search(line):
                findings.append(f"{path}:{number}: names a place on one machine: {match.group()}")
        if path.suffix == ".h" and "#pragma once" not in text.splitlines():
            findings.append(f"{path}: no #pragma once")
        if path.parts[:2] == ("src", "pomona") and len(path.parts) > 3:
            findings.extend(check_includes(path, text, allowed))
    return findings


def main():
    default = pathlib.Path(__file__).resolve().parent.parent
    findings = check(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default)
    print("".join(f"{finding}\n" for finding in findings), end="")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
