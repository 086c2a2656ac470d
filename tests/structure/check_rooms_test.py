"""scripts/check_rooms.py finds what it claims to find, each rule on a small made-up repository."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "check_rooms.py"
CMAKE = "pomona_room(base)\npomona_room(io ROOMS base LIBS a)\npomona_room(image ROOMS base)\n" \
        "pomona_room(dataset ROOMS io\n            PRIVATE_LIBS b)\n"
MACHINE_FOLDER = "/" + "root/notes"


class CheckRooms(unittest.TestCase):
    def run_on(self, files, cmake=CMAKE):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in {"CMakeLists.txt": cmake, **files}.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
            done = subprocess.run(
                [sys.executable, SCRIPT, root], capture_output=True, text=True, check=False
            )
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, 1 if done.stdout else 0)
        return done.stdout.splitlines()

    def include_from(self, room, other, name="a.cc"):
        return self.run_on({f"src/pomona/{room}/{name}": f'int x;\n#include "pomona/{other}/b.h"\n'})

    def test_rooms_above_may_be_included(self):
        for room, other in [("base", "base"), ("io", "base"), ("dataset", "io"), ("dataset", "base")]:
            self.assertEqual(self.include_from(room, other), [])

    def test_rooms_below_or_beside_may_not(self):
        for room, other in [("base", "io"), ("io", "dataset"), ("io", "image"), ("image", "io"),
                            ("dataset", "image"), ("base", "nowhere")]:
            self.assertEqual(self.include_from(room, other),
                             [f"src/pomona/{room}/a.cc:2: {room} must not include {other}"])

    def test_spellings_of_include(self):
        for line in ["#include <pomona/io/b.h>", '  #  include "pomona/io/b.h"']:
            self.assertEqual(self.run_on({"src/pomona/base/sub/a.cc": line}),
                             ["src/pomona/base/sub/a.cc:1: base must not include io"])

    def test_only_tests_include_testing(self):
        for name in ["a_test.cc", "a_bench.cc", "testing.h", "test_files.h"]:
            guarded = {f"src/pomona/io/{name}": '#pragma once\n#include "pomona/testing/npz.h"\n'}
            self.assertEqual(self.run_on(guarded), [])
        self.assertEqual(self.include_from("io", "testing"),
                         ["src/pomona/io/a.cc:2: io must not include testing"])

    def test_tests_obey_the_order_of_rooms(self):
        self.assertEqual(self.include_from("io", "dataset", "a_test.cc"),
                         ["src/pomona/io/a_test.cc:2: io must not include dataset"])

    def test_a_room_must_be_declared(self):
        self.assertEqual(self.run_on({"src/pomona/attic/a.cc": ""}),
                         ["src/pomona/attic/a.cc: no pomona_room(attic ...) in CMakeLists.txt"])

    def test_a_room_is_given_only_rooms_above_it(self):
        self.assertEqual(self.run_on({}, "pomona_room(a ROOMS b)\npomona_room(b)\n"),
                         ["CMakeLists.txt: a is given b, which is not above it"])

    def test_no_rooms_at_all_is_a_finding(self):
        self.assertEqual(self.run_on({}, "project(x)\n"),
                         ["CMakeLists.txt: no pomona_room(...) found"])

    def test_headers_are_guarded(self):
        self.assertEqual(self.run_on({"src/pomona/io/a.h": "#pragma once\n"}), [])
        self.assertEqual(self.run_on({"src/pomona/io/a.h": "// #pragma once\n"}),
                         ["src/pomona/io/a.h: no #pragma once"])

    def test_no_file_names_a_machine(self):
        self.assertEqual(self.run_on({"docs/a.md": f"x\nsee {MACHINE_FOLDER}\n"}),
                         [f"docs/a.md:2: names a place on one machine: {MACHINE_FOLDER}"])
        fine = "${HOME}/tmp/a src/root/a https://example.com/work/a /usr/share/x ~/tmp/a /tmp"
        self.assertEqual(self.run_on({"docs/a.md": fine, "b.bin": b"\xff" + MACHINE_FOLDER.encode()}),
                         [])

    def test_this_repository(self):
        done = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout + done.stderr, "")


if __name__ == "__main__":
    unittest.main()
