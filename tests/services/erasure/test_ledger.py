"""The list of erasures: complete, durable, and unharmed by a power cut."""

import stat
import subprocess
import sys

from registration import app_context
from registration.database import reading, writing
from registration.models import Erasure
from registration.services.erasure import ledger
from registration.services.erasure.ledger import add, read

from ...machine import on_sqlite, program
from ...server_process import TOP

ONE, TWO, THREE = "1" * 32, "2" * 32, "3" * 32


def test_noted_erasures_are_read_back(tmp_path):
    assert read(tmp_path) == set()
    add(tmp_path, [])
    assert (tmp_path / "erasures").read_text() == ""
    add(tmp_path, [ONE])
    add(tmp_path, [TWO, THREE])
    assert read(tmp_path) == {ONE, TWO, THREE}
    assert stat.S_IMODE((tmp_path / "erasures").stat().st_mode) == 0o600


def test_a_line_that_a_power_cut_left_spoils_no_other(tmp_path):
    add(tmp_path, [ONE])
    for left in ("2", "2" * 31, "2" * 31 + "\n", "\0" * 40, "\n\n"):
        with (tmp_path / "erasures").open("a") as file:
            file.write(left)
        add(tmp_path, [THREE])
        assert read(tmp_path) == {ONE, THREE}


def test_the_list_is_synchronised_before_anything_goes_on(tmp_path):
    strace = program("strace")
    words = "from registration.services.erasure.ledger import *; from pathlib import Path; "
    act = f"{words} add(Path({str(tmp_path)!r}), ['{ONE}']); print('done')"
    told = tmp_path / "calls"
    calls = [strace, "-y", "-o", told, "-e", "trace=fsync,fdatasync,write"]
    subprocess.run([*calls, sys.executable, "-c", act], cwd=TOP, check=True)
    lines = [line for line in told.read_text().splitlines() if "erasures" in line]
    assert [line.split("(")[0] for line in lines] == ["write", "fsync"]


@on_sqlite
def test_catching_up_adds_ids_that_a_crash_left_out_once(app):
    keys = app_context.settings().keys
    with writing() as tx:
        tx.add_all(Erasure(public_id=one, day=app_context.now().date()) for one in (ONE, TWO))
    add(keys, [TWO])
    for added in (1, 0):
        with reading() as tx:
            assert ledger.catch_up(tx, keys) == added
    assert read(keys) == {ONE, TWO}
    assert (keys / "erasures").read_text().count("\n") == 3
