"""What a command owes its shell: real processes, with the streams that people's shells give them."""

import json
import os
import re
import signal
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, strategies as st

from deploy.shell import printable
from diptych.errors import GraphError
from netspec import architecture, from_json

ZOO = f"{sys.executable} -m netspec"
SHELLS = {  # what the shell is given -> exit status, and what stderr says
    "a pipe that ends": (f"{ZOO} --json | head -1", 0, ""),
    "a pipe that nobody reads": (f"{ZOO} lenet5 | true", 0, ""),
    "the same without a buffer": (f"PYTHONUNBUFFERED=1 {ZOO} lenet5 | true", 0, ""),
    "no output": (f"{ZOO} lenet5 >&-", 2, "error: standard output is closed"),
    "a full disk": (f"{ZOO} lenet5 > /dev/full", 2, "error: standard output cannot be written: No space left"),
    "a full disk for much": (f"{ZOO} --json > /dev/full", 2, "error: standard output cannot be written"),
    "help on a full disk": (f"{ZOO} --help > /dev/full", 2, "error: standard output cannot be written"),
    "an output to be read": (f"{ZOO} lenet5 1< /dev/null", 2, "error: standard output cannot be written"),
    "a mistake on a full disk": (f"{ZOO} lenet6 > /dev/full", 2, "error: no network matches 'lenet6'"),
    "no errors": (f"{ZOO} lenet6 2>&-", 2, ""),
    "errors on a full disk": (f"{ZOO} lenet6 2> /dev/full", 2, ""),
    "no stream at all": (f"{ZOO} lenet5 <&- >&- 2>&-", 2, ""),
    "no input": (f"{ZOO} lenet5 <&-", 0, ""),
    "an ASCII terminal": (f"LC_ALL=C PYTHONIOENCODING=ascii {ZOO} --show résnet", 2, r"'r\\xe9snet'"),
    "a Latin-1 terminal": (f"PYTHONIOENCODING=latin-1 {ZOO} --show 網", 2, r"'\\u7db2'"),
    "a name of other bytes": (f"{ZOO} --show $'caf\\xe9.json'", 2, r"no file caf\\xe9.json"),
    "a name that colours": (f"{ZOO} --show $'\\e[31mred.json'", 2, r"no file \\x1b\[31mred.json"),
    "a name of two lines": (f"{ZOO} --show $'two\\nlines.json'", 2, r"two lines.json"),
}


@pytest.mark.parametrize(("command", "status", "said"), SHELLS.values(), ids=SHELLS)
def test_one_line_whatever_the_streams_are(command, status, said):
    script = f"{command}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
    errors = done.stderr.decode("latin-1")
    assert done.returncode == status, errors
    assert re.match(f".*{said}", errors) if said else not errors, errors
    assert len(errors.splitlines()) <= 1, errors
    assert "\x1b" not in errors


PROGRAM = """
import sys
from deploy import shell
def main(argv):
    {body}
shell.run(main)
"""
ENDS = {  # what a command does -> exit status, and what stderr says
    "an error": ("raise shell.DiptychError('no\\n such  thing')", 2, r"error: no such thing\n"),
    "no memory": ("raise MemoryError", 2, r"error: not enough memory; .*\n"),
    "no memory for an array": ("import numpy; numpy.zeros(2**55)", 2, r"error: not enough memory \(Unable .*\n"),
    "no memory on a GPU": (
        "raise RuntimeError('CUDA out of memory. Tried to allocate 2 GiB.\\nSee the documentation')",
        2,
        r"error: not enough memory \(CUDA out of memory. Tried to allocate 2 GiB.\); .*batches\n",
    ),
    "no deterministic form in PyTorch": (
        "raise RuntimeError('bincount_cuda does not have a deterministic implementation, but you set it')",
        2,
        r"error: an operation has no deterministic form here \(bincount_cuda .*; give --no-deterministic\n",
    ),
    "no deterministic form in TensorFlow": (
        "raise RuntimeError('Deterministic GPU implementation of unsorted segment reduction op not available.')",
        2,
        r"error: an operation has no deterministic form here \(Deterministic GPU .*; give --no-deterministic\n",
    ),
    "a path without permission": (
        "raise PermissionError(13, 'Permission denied', 'closed/x')",
        2,
        r"error: closed/x cannot be read: Permission denied; choose a path that you may read\n",
    ),
    "another error of a framework": ("raise RuntimeError('shapes differ')", 1, r"(?s)Traceback.*shapes differ\n"),
    "no end": ("main(argv)", 2, r"error: .* nested too deeply.*\n"),
    "its own status": ("return 1", 1, ""),
    "a text to leave with": ("sys.exit('no')", 2, ""),
    "no working folder": (
        "import os, tempfile; folder = tempfile.mkdtemp(); os.chdir(folder); os.rmdir(folder); os.getcwd()",
        2,
        r"error: the working folder does not exist any more; .*\n",
    ),
    "no such file, which is a fault of ours": ("open('nowhere')", 1, r"(?s)Traceback.*FileNotFoundError.*"),
    "a fault of ours": ("1 / 0", 1, r"(?s)Traceback.*ZeroDivisionError.*"),
    "Ctrl-C": ("import os; os.kill(os.getpid(), 2)", 130, r"interrupted\n"),
    "SIGTERM": ("import os, time; os.kill(os.getpid(), 15); time.sleep(9)", 143, r"stopped by SIGTERM\n"),
    "a name out of a file": ("shell.say('\\udcff\\x1b[31m')", 0, ""),
}


@pytest.mark.parametrize(("body", "status", "said"), ENDS.values(), ids=ENDS)
def test_every_end_has_its_status(body, status, said):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == status, done.stderr
    assert re.fullmatch(said, done.stderr), done.stderr


@given(st.text(st.characters(codec=None)))
def test_nothing_that_a_terminal_obeys_is_printed(text):
    shown = printable(text)
    shown.encode()  # no lone surrogate
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Zl", "Zp"}
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize("part", ["name", "node"])
@pytest.mark.parametrize("name", ["\x1b[31m", "two\nlines", "\u202e", "\ud800"])
def test_graphs_whose_names_cannot_be_printed_are_refused(part, name):
    graph = json.loads(architecture("lenet5").to_json())
    (graph if part == "name" else graph["nodes"][-1])["name"] = f"x{name}"
    with pytest.raises(GraphError, match="is not a (valid )?name for a (graph|node)"):
        from_json(json.dumps(graph))


def test_names_of_people_are_shown_as_they_are():
    for name in ("résumé", "網路", "Ελλάδα", "عربي", "क्‍ष", "🇩🇰 👩‍👩‍👧", "a b\\c"):
        assert printable(name) == name
    assert printable("a\u202egnp.exe\u2066\u200f") == r"a\u202egnp.exe\u2066\u200f"
    assert printable(b"caf\xe9".decode("utf-8", "surrogateescape")) == r"caf\xe9"
