from __future__ import annotations

import re

import pytest

from shared import sandbox
from shared.doctor import machine
from shared.sandbox import Confinement


def finding():
    (found,) = [each for each in machine.examine() if each.name == "sandbox of decoders"]
    return found


def test_the_doctor_says_what_this_kernel_has():
    assert str(sandbox.available()) in finding().message


@pytest.mark.parametrize(
    ("kernel", "status", "message"),
    [
        (Confinement(7, seccomp=True), "ok", "Landlock ABI 7, seccomp"),
        (Confinement(0, seccomp=True), "ok", "no Landlock, seccomp"),
        (Confinement(3), "warn", "Landlock ABI 3, no seccomp: .* can create sockets"),
        (Confinement(), "warn", "no Landlock, no seccomp: .* can read this user's files and use the network"),
    ],
)
def test_a_kernel_that_confines_less_is_a_warning(monkeypatch, kernel, status, message):
    monkeypatch.setattr(machine, "available", lambda: kernel)
    found = finding()
    assert found.status == status
    assert re.match(message, found.message)


def test_another_platform_than_linux_fails(monkeypatch):
    assert not [each for each in machine.examine() if each.name == "platform"]
    monkeypatch.setattr(machine.sys, "platform", "darwin")
    (found,) = [each for each in machine.examine() if each.name == "platform"]
    assert (found.status, found.message) == ("fail", "darwin; telecine runs on Linux only")
