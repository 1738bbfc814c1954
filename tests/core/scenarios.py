"""Short sequences of what programs do to files, each with a name: for tests that let something go wrong in every moment of them."""

import os
import random
from collections.abc import Callable
from typing import Final

from tests.core.kernel import Kernel
from tests.core.test_model import Called
from tests.model_machine import Deeds, step_at_random

Deed = Callable[[Deeds], object]


def write(path: str, content: bytes) -> Deed:
    return lambda deeds: deeds.write(path, content)


def edit(path: str, content: bytes, place: int) -> Deed:
    return lambda deeds: deeds.edit(path, content, place)


def rename(old: str, new: str, *, reading: bool = False) -> Deed:
    return lambda deeds: deeds.rename(old, new, reading=reading)


def remove(path: str) -> Deed:
    return lambda deeds: deeds.remove(path)


def others(path: str, content: bytes) -> Deed:
    return lambda deeds: deeds.others_make(path, content)


def fsynced(path: str, content: bytes) -> Deed:
    """Written and synced, and killed before its close, if that comes at all."""
    def deed(deeds: Deeds) -> None:
        user = kernel(deeds)
        number = user.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        user.pwrite(number, content, 0)
        user.fsync(number)
        deeds.model.write(path, content)
    return deed


def close_all(deeds: Deeds) -> None:
    kernel(deeds).close_all()


def remove_while_read(path: str) -> Deed:
    def deed(deeds: Deeds) -> None:
        with kernel(deeds).opened(path):
            deeds.remove(path)
    return deed


def link(old: str, new: str) -> Deed:
    """As some programs publish a helper file."""
    def deed(deeds: Deeds) -> None:
        kernel(deeds).link(old, new)
        deeds.model.write(new, deeds.model.files[old].content)
    return deed


def directory(path: str) -> Deed:
    return lambda deeds: deeds.make_directory(path)


def rename_directory(old: str, new: str) -> Deed:
    return lambda deeds: deeds.rename_directory(old, new)


def sync(deeds: Deeds) -> None:
    deeds.sync()


def kernel(deeds: Deeds) -> Kernel:
    assert isinstance(deeds.hands, Called)
    return deeds.hands.core.user


A, B, C = b"first " * 20, b"second " * 30, b"third " * 10

SCENARIOS: Final[dict[str, list[Deed]]] = {
    "create, and send": [write("a.txt", A), sync, write("b.txt", B), write("b.txt", C), sync],
    "sync, then close": [fsynced("a.txt", A), close_all, sync],
    "replace": [write("a.txt", A), sync, write("a.txt", B), sync, write("a.txt", C), write("a.txt", A), sync],
    "edit": [write("a.txt", A), sync, edit("a.txt", C, 3), sync, edit("a.txt", B, 200), edit("a.txt", b"x", 0), sync],
    "edit others'": [others("a.txt", A), edit("a.txt", C, 3), sync],
    "replace others'": [others("a.txt", A), write("a.txt", B), sync],
    "save as editors do": [write("a.txt", A), sync, write("a.txt.new", B), rename("a.txt.new", "a.txt"), sync],
    "save over what is read": [write("a.txt", A), sync, write("new.txt", B), rename("new.txt", "a.txt", reading=True), sync],
    "save with a backup": [write("a.txt", A), sync, rename("a.txt", "a.txt~"), write("a.txt", B), sync],
    "rename": [write("a.txt", A), sync, rename("a.txt", "b.txt"), sync],
    "rename what is to be sent": [write("a.txt", A), rename("a.txt", "b.txt"), sync],
    "there and back": [write("a.txt", A), sync, rename("a.txt", "b.txt"), rename("b.txt", "a.txt"), sync],
    "over another": [write("a.txt", A), write("b.txt", B), sync, rename("a.txt", "b.txt"), sync],
    "over others'": [write("a.txt", A), others("b.txt", B), rename("a.txt", "b.txt"), sync],
    "rename others'": [others("a.txt", A), rename("a.txt", "b.txt"), sync],
    "rename a directory": [directory("d"), write("d/a.txt", A), write("d/b.txt", B), sync, rename_directory("d", "e"), sync],
    "remove": [write("a.txt", A), sync, remove("a.txt"), sync],
    "remove what is to be sent": [write("a.txt", A), remove("a.txt"), sync],
    "remove others'": [others("a.txt", A), remove("a.txt"), sync],
    "remove what is read": [write("a.txt", A), sync, remove_while_read("a.txt"), sync],
    "publish by a link": [write("a.txt~", A), link("a.txt~", "a.txt"), remove("a.txt~"), sync],
}


def at_random(seed: int) -> list[Deed]:
    chance = random.Random(seed)
    return [lambda deeds: step_at_random(chance, deeds, ends=False)] * 15
