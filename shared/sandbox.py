"""Take files, the network and other processes away from this process by Landlock and seccomp; end with the parent.

For a process that has imported all it needs and is about to read hostile bytes. It keeps what it has open, its memory
and its threads. Linux only, without privileges; each kernel is asked for what it has. Needs ``PR_SET_NO_NEW_PRIVS``,
which :func:`confine` sets.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import struct
import sys
from dataclasses import dataclass
from typing import Final, NamedTuple

__all__ = ["Confinement", "available", "confine", "end_with_parent"]

# linux/prctl.h
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38

# linux/landlock.h. The numbers of Landlock's system calls are the same on all architectures.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_CREATE_RULESET_VERSION: Final = 1
# Number of file rights (execute, read, write, …) that an ABI version knows; later versions know at least as many.
_FILE_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 5: 16}
_NET_ABI: Final = 4  # TCP bind and connect
_SCOPE_ABI: Final = 6  # abstract Unix sockets, and signals to other processes

# linux/seccomp.h, linux/audit.h, linux/filter.h
_SET_MODE_FILTER, _GET_ACTION_AVAIL, _FLAG_TSYNC = 1, 2, 1
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_LOAD, _EQUAL, _AT_LEAST, _SET_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NR_OFFSET, _ARCH_OFFSET, _ARGUMENTS_OFFSET = 0, 4, 16  # in struct seccomp_data
_X32_BIT: Final = 0x40000000
_CLONE_THREAD: Final = 0x00010000  # linux/sched.h


class _Arch(NamedTuple):
    audit: int
    seccomp: int
    column: int


_ARCHITECTURES: Final = {"x86_64": _Arch(0xC000003E, 317, 0), "aarch64": _Arch(0xC00000B7, 277, 1)}

# Refused system calls and their numbers on x86_64 and aarch64 (None: absent there). FFmpeg, numpy and Python's own
# allocator and threads use none of them after the imports.
_REFUSED: Final[dict[str, tuple[int | None, int | None]]] = {
    # Files by name, also where the kernel lacks Landlock: /proc/PPID/environ, credentials, /tmp.
    "open": (2, None), "creat": (85, None), "openat": (257, 56), "openat2": (437, 437),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "readlink": (89, None), "readlinkat": (267, 78),
    "truncate": (76, 45), "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "mkdir": (83, None),
    "mkdirat": (258, 34), "rmdir": (84, None), "link": (86, None), "linkat": (265, 37), "unlink": (87, None),
    "unlinkat": (263, 35), "symlink": (88, None), "symlinkat": (266, 36), "mknod": (133, None), "mknodat": (259, 33),
    # Landlock does not cover the attributes of files.
    "chmod": (90, None), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None), "lchown": (94, None),
    "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "inotify_init": (253, None), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262), "fanotify_mark": (301, 263), "acct": (163, 89),
    # The network: Landlock covers TCP alone. The channel is open already; send() is sendto() without an address.
    "socket": (41, 198), "socketpair": (53, 199), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242), "connect": (42, 203), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    # Other processes: their memory, descriptors, signals and shared memory; the worker runs as the same user.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195),
    "semget": (64, 190), "semop": (65, 193), "semtimedop": (220, 192), "semctl": (66, 191), "msgget": (68, 186),
    "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180),
    # Memory outside the address-space limit: up to a thousand files of 16 MB.
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    # Priority, CPU affinity and memory nodes, which a process may set for its user's other processes.
    "migrate_pages": (256, 238), "move_pages": (279, 239), "setpriority": (141, 140), "ioprio_set": (251, 30),
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    # New processes and programs; threads come from clone(), see _filter.
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    # Parts of the kernel in which most escapes were found, and namespaces and mounts.
    "bpf": (321, 280), "userfaultfd": (323, 282), "perf_event_open": (298, 241), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "io_uring_setup": (425, 425), "unshare": (272, 97),
    "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "mount_setattr": (442, 442), "init_module": (175, 105),
    "finit_module": (313, 273), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
}  # fmt: skip
_CLONE, _CLONE3, _SENDTO, _KILL, _TGKILL, _PRLIMIT64, _FCNTL, _IOCTL, _PRCTL = (
    (56, 220),
    (435, 435),
    (44, 206),
    (62, 129),
    (234, 131),
    (302, 261),
    (72, 25),
    (16, 29),
    (157, 167),
)
# Commands that make the kernel send a signal to another process when a descriptor has data: F_SETOWN, F_SETSIG and
# F_SETOWN_EX (linux/fcntl.h), FIOSETOWN and SIOCSPGRP (linux/sockios.h).
_FCNTL_REFUSED, _IOCTL_REFUSED = (8, 10, 15), (0x8901, 0x8902)
# The process must not outlive its parent.
_PRCTL_REFUSED = (_PR_SET_PDEATHSIG,)
# The first number after those that the table was made for (Linux 6.13: setxattrat). Later calls get the answer of an
# older kernel.
_LATER: Final = 463


@dataclass(frozen=True, slots=True)
class Confinement:
    """The mechanisms that the kernel has, or that hold in a process.

    Attributes:
        landlock: version of Landlock's ABI; 0 without it. TCP is covered from 4, signals from 6.
        seccomp: system calls are filtered.
    """

    landlock: int = 0
    seccomp: bool = False

    def __str__(self) -> str:
        landlock = f"Landlock ABI {self.landlock}" if self.landlock else "no Landlock"
        return f"{landlock}, {'seccomp' if self.seccomp else 'no seccomp'}"


def available() -> Confinement:
    """Ask the kernel which mechanisms it has; change nothing."""
    if sys.platform != "linux":
        return Confinement()
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_CREATE_RULESET_VERSION)
    arch = _ARCHITECTURES.get(platform.machine())
    # A container's own filter may answer EPERM to either question: the same as a kernel without it.
    action = ctypes.byref(ctypes.c_uint32(_ERRNO))
    filters = arch is not None and libc.syscall(arch.seccomp, _GET_ACTION_AVAIL, 0, action) == 0
    return Confinement(max(version, 0), filters)


def confine() -> Confinement:
    """Confine this process with all that the kernel has, and return what holds from now on.

    No file can be opened, changed or executed any more, no socket created or connected, no process started, signalled
    or inspected; refused calls fail with EPERM or EACCES. Open descriptors, memory and new threads still work.
    Landlock covers this thread and threads that it starts: call it before any other thread exists.
    """
    kernel = available()
    if not kernel.landlock and not kernel.seccomp:
        return kernel
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return Confinement(kernel.landlock if _landlock(libc, kernel.landlock) else 0, kernel.seccomp and _seccomp(libc))


def end_with_parent(parent: int) -> None:
    """Make the kernel kill this process when its parent ends; exit at once if it has ended.

    Args:
        parent: PID of the process that started this one.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)  # it ended before the line above


def _landlock(libc: ctypes.CDLL, version: int) -> bool:
    """Handle every right that the version knows, and allow none."""
    if not version:
        return False
    rights = (1 << max(count for known, count in _FILE_RIGHTS.items() if known <= version)) - 1
    attributes = [rights, *([0b11] if version >= _NET_ABI else ()), *([0b11] if version >= _SCOPE_ABI else ())]
    packed = struct.pack(f"<{len(attributes)}Q", *attributes)
    ruleset = libc.syscall(_LANDLOCK_CREATE_RULESET, packed, ctypes.c_size_t(len(packed)), 0)
    if ruleset < 0:
        return False
    try:
        return bool(libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


class _SockFprog(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _seccomp(libc: ctypes.CDLL) -> bool:
    arch = _ARCHITECTURES[platform.machine()]
    code = b"".join(struct.pack("<HBBI", *each) for each in _filter(arch, os.getpid()))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _SockFprog(len(code) // 8, ctypes.addressof(buffer))
    return bool(libc.syscall(arch.seccomp, _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.byref(program)) == 0)


def _filter(arch: _Arch, pid: int) -> list[tuple[int, int, int, int]]:
    """Return the BPF program: instructions of (operation, skip if true, skip if false, operand)."""
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    allow = (_RETURN, 0, 0, _ALLOW)

    def argument(index: int, half: int = 0) -> tuple[int, int, int, int]:
        return (_LOAD, 0, 0, _ARGUMENTS_OFFSET + 8 * index + 4 * half)

    def on(numbers: tuple[int | None, int | None], *body: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
        number = numbers[arch.column]
        return [] if number is None else [(_EQUAL, 0, len(body), number), *body]

    program = [
        # A 32-bit system call has other numbers than the table.
        (_LOAD, 0, 0, _ARCH_OFFSET),
        (_EQUAL, 1, 0, arch.audit),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NR_OFFSET),
    ]
    if arch.column == 0:
        program += [(_AT_LEAST, 0, 1, _X32_BIT), refuse]
    program += [(_AT_LEAST, 0, 1, _LATER), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    for numbers in _REFUSED.values():
        program += on(numbers, refuse)
    for numbers, index, commands in (
        (_FCNTL, 1, _FCNTL_REFUSED),
        (_IOCTL, 1, _IOCTL_REFUSED),
        (_PRCTL, 0, _PRCTL_REFUSED),
    ):
        tests = [(_EQUAL, len(commands) - at, 0, command) for at, command in enumerate(commands)]
        program += on(numbers, argument(index), *tests, allow, refuse)
    # libc falls back to clone(), whose flags the filter can read: threads only.
    program += on(_CLONE3, (_RETURN, 0, 0, _ERRNO | errno.ENOSYS))
    program += on(_CLONE, argument(0), (_SET_BITS, 1, 0, _CLONE_THREAD), refuse, allow)
    no_address = ((_EQUAL, 0, 2, 0), argument(4, 1), (_EQUAL, 1, 0, 0), refuse, allow)
    program += on(_SENDTO, argument(4), *no_address)
    for numbers in (_KILL, _TGKILL):  # abort() signals its own process
        program += on(numbers, argument(0), (_EQUAL, 1, 0, pid), refuse, allow)
    program += on(_PRLIMIT64, argument(0), (_EQUAL, 2, 0, 0), (_EQUAL, 1, 0, pid), refuse, allow)
    return [*program, allow]
