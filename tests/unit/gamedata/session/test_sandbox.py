"""A decoder process that hostile bytes have taken over: what it still reaches, with the sandbox and without."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from jobs.gamedata.model import SamplingSpec
from jobs.gamedata.ranges.source import BytesSource
from jobs.gamedata.session import child as child_module
from jobs.gamedata.session.child import DecodeChild
from shared import sandbox
from shared.child import process
from shared.errors import ItemError
from tests.media import cached_clip, tar_bytes

KERNEL = sandbox.available()
_TCP_ABI, _SIGNAL_ABI = 4, 6

# Runs in place of decode_session, in the real decoder process, after the first message of the worker.
TAKEN_OVER = """
import ctypes, errno, json, os, socket, subprocess, sys, threading
import jobs.gamedata.session.decode as decode
from jobs.gamedata.errors import item_error
from jobs.gamedata.session import child_main
from shared import sandbox

settings = json.loads(sys.argv.pop(1))
for layer in settings["without"]:
    setattr(sandbox, layer, lambda *_: False)
libc = ctypes.CDLL(None, use_errno=True)

def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

def file(path, mode="rb"):
    return lambda: open(path, mode).close()

def connect():
    socket.create_connection(("127.0.0.1", settings["port"]), 5).close()

def child():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)

def thread():
    done = []
    threads = [threading.Thread(target=done.append, args=(1,)) for _ in range(3)]
    for each in threads: each.start()
    for each in threads: each.join()
    assert len(done) == 3

word = ctypes.create_string_buffer(8)
vector = (ctypes.c_size_t * 2)(ctypes.addressof(word), 8)
inherited = socket.socket(fileno=settings["connected"])
attempts = {
    "environment of the worker": file(f"/proc/{os.getppid()}/environ"),
    "memory of the worker": file(f"/proc/{os.getppid()}/maps"),
    "a file": file("/etc/passwd"),
    "credentials in the home folder": file(settings["home"] + "/.aws/credentials"),
    "a new file": file(settings["home"] + "/new", "wb"),
    "removing a file": lambda: os.unlink(settings["home"] + "/" + str(settings["number"])),
    "rights of a file": lambda: os.chmod(settings["home"], 0o700),
    "a folder": lambda: os.listdir("/"),
    "loopback TCP": connect,
    "AF_INET": lambda: socket.socket(socket.AF_INET).close(),
    "AF_UNIX": lambda: socket.socket(socket.AF_UNIX).close(),
    "AF_NETLINK": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close(),
    "socketpair": lambda: [each.close() for each in socket.socketpair()],
    "sendto with an address": lambda: inherited.sendto(b"x", ("127.0.0.1", settings["port"])),
    "ptrace": lambda: call(101 if os.uname().machine == "x86_64" else 117, 2, os.getppid(), 0, 0),
    "process_vm_readv": lambda: call(
        310 if os.uname().machine == "x86_64" else 270, os.getpid(), vector, 1, vector, 1, 0),
    "execve": lambda: os.execv("/bin/absent", ["absent"]),
    "a program": lambda: subprocess.run(["/bin/true"], check=True),
    "fork": child,
    "a signal to the worker": lambda: os.kill(os.getppid(), 0),
    "a signal by a descriptor": lambda: __import__("fcntl").fcntl(inherited, 8, os.getppid()),
    "a signal by ioctl": lambda: __import__("fcntl").ioctl(inherited, 0x8901, os.getppid().to_bytes(4, "little")),
    "priority of the worker": lambda: os.setpriority(0, os.getppid(), os.getpriority(0, os.getppid())),
    "processors of the worker": lambda: os.sched_setaffinity(os.getppid(), os.sched_getaffinity(os.getppid())),
    "shared memory": lambda: call(30 if os.uname().machine == "x86_64" else 196, 0, 0, 0),
    "a watch on files": lambda: call(294 if os.uname().machine == "x86_64" else 26, 0),
    "limits of the worker": lambda: __import__("resource").prlimit(os.getppid(), 0),
    "living on after the worker": lambda: call(157 if os.uname().machine == "x86_64" else 167, 1, 0, 0, 0, 0),
    "files in memory": lambda: os.close(os.memfd_create("x")),
    "memory nodes of the worker": lambda: call(
        256 if os.uname().machine == "x86_64" else 238, os.getppid(), 64, vector, vector),
    "userfaultfd": lambda: call(323 if os.uname().machine == "x86_64" else 282, -1),
    "io_uring": lambda: call(425, 0, 0),
    "a namespace": lambda: call(272 if os.uname().machine == "x86_64" else 97, 0),
    "threads": thread,
    "a signal to itself": lambda: os.kill(os.getpid(), 0),
    "random numbers": lambda: os.urandom(8),
}

def decode_session(source, *_, **__):
    source.read(0, 16)
    found = {}
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError as error:
            refused = error.errno in (errno.EPERM, errno.EACCES)
            found[name] = "refused" if refused else errno.errorcode[error.errno]
        else:
            found[name] = "done"
    raise item_error("decode_failed", json.dumps(found))

child_main._import()
decode.decode_session = decode_session
sys.exit(child_main.main(sys.argv[1:]))
"""

HARMLESS = {"threads", "a signal to itself", "random numbers"}
# Without a target, or where the container already refuses it, these fail for another reason.
FAILS_ANYWAY = {
    "memory nodes of the worker",
    "ptrace",
    "execve",
    "userfaultfd",
    "io_uring",
    "a namespace",
    "process_vm_readv",
    "shared memory",
}


@pytest.fixture
def take_over(tmp_path, monkeypatch):
    """Return a function that runs all attempts in a decoder process without the given layers of the sandbox."""
    script = tmp_path / "taken_over.py"
    script.write_text(TAKEN_OVER)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text("secret")
    server = socket.create_server(("127.0.0.1", 0))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    runs = iter(range(10))

    def attempt(*without):
        number = next(runs)
        (tmp_path / str(number)).write_text("")
        settings = {
            "without": without, "port": server.getsockname()[1], "home": str(tmp_path), "number": number,
            "connected": datagrams.fileno(),
        }  # fmt: skip

        def popen(command, *, pass_fds, **options):
            command = [sys.executable, str(script), json.dumps(settings), *command[command.index("-m") + 2 :]]
            return subprocess.Popen(command, pass_fds=[*pass_fds, datagrams.fileno()], **options)

        with monkeypatch.context() as patch, DecodeChild() as child:
            patch.setattr(process, "subprocess", Fake(popen))
            with pytest.raises(ItemError) as caught:
                child.extract(BytesSource(tar_bytes(cached_clip(seconds=20))), SamplingSpec())
        assert caught.value.code == "decode_failed", caught.value
        return json.loads(caught.value.message)

    with server, datagrams:
        yield attempt


class Fake:
    """The module subprocess with another Popen."""

    def __init__(self, popen):
        self.Popen = popen

    def __getattr__(self, name):
        return getattr(subprocess, name)


def refused(found):
    return {name for name, result in found.items() if result == "refused"}


@pytest.mark.skipif(not KERNEL.seccomp, reason="this kernel has no seccomp filters")
@pytest.mark.parametrize("without", [(), ("_landlock",)], ids=["all", "seccomp alone"])
def test_a_decoder_process_that_is_taken_over_reaches_nothing(take_over, without):
    found = take_over(*without)
    assert refused(found) == found.keys() - HARMLESS
    assert {found[name] for name in HARMLESS} == {"done"}


@pytest.mark.skipif(not KERNEL.landlock, reason="this kernel has no Landlock")
def test_landlock_alone_closes_files_programs_and_tcp(take_over):
    found = refused(take_over("_seccomp"))
    assert found >= {
        "environment of the worker", "memory of the worker", "a file", "credentials in the home folder", "a new file",
        "removing a file", "a folder", "a program",
    }  # fmt: skip
    assert ("loopback TCP" in found) == (KERNEL.landlock >= _TCP_ABI)
    assert ("a signal to the worker" in found) == (KERNEL.landlock >= _SIGNAL_ABI)


def test_without_a_sandbox_the_same_attempts_succeed(take_over):
    found = take_over("_seccomp", "_landlock")
    assert {name for name, result in found.items() if result != "done"} <= FAILS_ANYWAY
    assert (found["execve"], found["ptrace"]) == ("ENOENT", "ESRCH")


def test_the_decoder_process_says_what_confines_it_and_has_one_thread(monkeypatch):
    told = []
    monkeypatch.setattr(child_module, "_tell", told.append)
    with DecodeChild() as child:
        child._ready()
        assert told == [KERNEL]
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{child.pid}/status").read_text().splitlines())
        assert status["Seccomp"] == ("2" if KERNEL.seccomp else "0")
        assert status["NoNewPrivs"] == "1"
        # Landlock confines the thread that asks for it, not those that exist already.
        assert status["Threads"] == "1"


def test_the_worker_logs_once_what_confines_its_decoder_processes(caplog):
    child_module._tell.cache_clear()
    with caplog.at_level("DEBUG", logger=child_module.__name__):
        for confinement in (sandbox.Confinement(7, True), sandbox.Confinement(7, True), sandbox.Confinement()):
            child_module._tell(confinement)
    child_module._tell.cache_clear()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("DEBUG", "the decoder process is confined by: Landlock ABI 7, seccomp"),
        ("WARNING", "the decoder process is not confined: no Landlock, no seccomp"),
    ]


def test_no_secret_is_in_the_environment_of_the_decoder_process(monkeypatch):
    secrets = (
        "AWS_SECRET_ACCESS_KEY", "RAY_AUTH_TOKEN", "TELECINE_DATABASE_URL", "TELECINE_SECRETS_DIR", "PGPASSWORD",
        "HOMEBREW_GITHUB_API_TOKEN", "LD_SDK_KEY", "PYTHONANYWHERE_API_TOKEN", "PATH_TOKEN", "LANGSMITH_API_KEY",
    )  # fmt: skip
    for name in secrets:
        monkeypatch.setenv(name, "hidden")
    with DecodeChild() as child:
        child._ready()
        environment = Path(f"/proc/{child.pid}/environ").read_bytes()
    assert b"hidden" not in environment
    assert b"PATH=" in environment


def test_a_flood_on_standard_error_ends_the_process_not_the_disk():
    with DecodeChild() as child:
        child._ready()
        limits = Path(f"/proc/{child.pid}/limits").read_text()
    (line,) = [line for line in limits.splitlines() if line.startswith("Max file size")]
    assert line.split()[3] == str(16 * 1024 * 1024)


@pytest.mark.skipif(not KERNEL.seccomp, reason="this kernel has no seccomp filters")
def test_confinement_is_for_one_process_only():
    code = "from shared import sandbox; print(sandbox.confine()); open('/etc/passwd')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout.strip() == str(KERNEL)
    assert "PermissionError" in ended.stderr
    assert Path("/etc/passwd").read_bytes()


def test_another_architecture_is_left_as_it_is_and_says_so(monkeypatch):
    monkeypatch.setattr(sandbox.platform, "machine", lambda: "riscv64")
    assert sandbox.available() == sandbox.Confinement(KERNEL.landlock, seccomp=False)
    monkeypatch.setattr(sandbox.sys, "platform", "darwin")
    assert str(sandbox.confine()) == "no Landlock, no seccomp"


@pytest.mark.skipif(os.uname().machine != "x86_64" or not KERNEL.seccomp, reason="needs x86_64 and seccomp")
def test_system_calls_by_their_32_bit_numbers_end_the_process():
    """``int 0x80`` reaches the 32-bit table, in which 11 is execve."""
    code = (
        "import ctypes, mmap\n"
        "from shared import sandbox\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(b'\\xb8\\x0b\\x00\\x00\\x00\\xcd\\x80\\xc3')\n"
        "call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))\n"
        "sandbox.confine()\n"
        "call()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode in (-signal.SIGSYS, -signal.SIGSEGV)  # SIGSEGV: a kernel without 32-bit calls
