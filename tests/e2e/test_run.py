"""The runner of .test files must be able to fail."""
import subprocess
import sys

import pytest

from run import HERE

PASSING = """# a comment

## first case
$ echo one; echo two >&2; echo "$SAMPLES" | grep -c samples/fruits
> on
2> two
!> three
$ echo continued \\
  over lines && pwd >where
> continued over lines
## second case, in the same folder
$ test -e where; exit 7
? 7
"""


def run(tmp_path, text):
    (tmp_path / "it.test").write_text(text)
    return subprocess.run([sys.executable, HERE / "run.py", "--pomona", "/bin/true",
                           tmp_path / "it.test"], text=True, capture_output=True)


def test_what_holds_passes(tmp_path):
    done = run(tmp_path, PASSING)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("old, new, complaint", [
    ("> on", "> onne", "stdout lacks: onne"),
    ("> on", "> two", "stdout lacks: two"),
    ("2> two", "2> one", "stderr lacks: one"),
    ("!> three", "!> two", "it says: two"),
    ("? 7", "? 0", "exit code 7, not 0"),
    ("? 7", "", "exit code 7, not 0"),
    ("grep -c", "false | grep -c", "exit code 1, not 0"),
    ("exit 7", "kill $$", "exit code"),
])
def test_what_does_not_hold_fails(tmp_path, old, new, complaint):
    done = run(tmp_path, PASSING.replace(old, new, 1))
    assert done.returncode == 1
    assert complaint in done.stdout
    assert "it.test:" in done.stdout


def test_a_line_that_means_nothing_is_an_error(tmp_path):
    assert "not a line of a test" in run(tmp_path, PASSING + "echo forgot the dollar\n").stderr
    assert "no command" in run(tmp_path, "# nothing\n").stderr
