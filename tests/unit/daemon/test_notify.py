"""Without a manager of services nothing is told to one."""

from anthrofs.daemon.notify import Notify


def test_without_a_manager_nothing_is_sent() -> None:
    Notify(None).ready("nobody listens")
    Notify("/nowhere/at/all").ready("nobody listens")
