"""What scripts/bench rooms counts as a change of modules or rooms."""

import threading

from tests.bench.walks import Call, Recorder, Walk, room_of, too_far, walk_of

ME, WORKER, IDLER = 1, 2, 3


def calls(*steps: tuple[int, str | None, str]) -> list[Call]:
    """Each step: a thread, the module that calls and the one that is called, below the package."""
    return [Call(thread, None if caller is None else f"anthrofs.{caller}", f"anthrofs.{module}") for thread, caller, module in steps]


def test_a_call_into_another_module_is_a_change_and_into_another_room_as_well() -> None:
    found = calls((ME, None, "fuse.operations"), (ME, "fuse.operations", "fs.contents"), (ME, "fs.contents", "fs.contents"), (ME, "fs.contents", "fs.paths"),
                  (ME, "fs.contents", "store.staging"))
    assert walk_of(found, room_of) == Walk(modules=4, changes=3, rooms=3, room_changes=2)


def test_words_that_everybody_uses_are_no_rooms() -> None:
    found = calls((ME, None, "fs.contents"), (ME, "fs.contents", "model"), (ME, "clock", "store.staging"), (ME, "fs.contents", "errors"))
    assert walk_of(found, room_of) == Walk(modules=2, changes=0, rooms=2, room_changes=0)


def test_what_is_in_remote_is_one_module() -> None:
    found = calls((ME, None, "sync.refresher"), (ME, "sync.refresher", "remote.retry"), (ME, "remote.retry", "remote.http"))
    assert walk_of(found, room_of) == Walk(modules=2, changes=1, rooms=2, room_changes=1)


def test_a_thread_that_asks_the_service_counts_and_one_that_finds_no_work_does_not() -> None:
    found = calls((ME, None, "fs.contents"), (WORKER, None, "upload.delivery"), (WORKER, "upload.delivery", "remote.http"), (IDLER, None, "upload.uploader"),
                  (IDLER, "upload.uploader", "tree.database"))
    assert walk_of(found, room_of) == Walk(modules=3, changes=1, rooms=3, room_changes=1)


def test_every_call_of_the_package_is_seen_also_in_threads_that_began_before() -> None:
    from anthrofs.clock import Clock

    begin, done = threading.Event(), threading.Event()

    def work() -> None:
        begin.wait()
        Clock().now_s()
        done.set()

    def act() -> None:
        begin.set()
        done.wait()
        Clock().time_ns()
    with Recorder() as recorder:
        thread = threading.Thread(target=work)
        thread.start()
        found = recorder.record(act)
        thread.join()
    assert [(call.thread == threading.get_ident(), call.caller, call.module) for call in found] == [
        (False, None, "anthrofs.clock"), (True, None, "anthrofs.clock")]


def test_a_target_is_missed_by_the_median_of_all_rounds() -> None:
    def walks(*changes: int) -> list[Walk]:
        return [Walk(0, 0, 0, each) for each in changes]
    assert too_far({"read": walks(20, 35, 99), "close": walks(99, 101, 102)}) == ["a close changes rooms 101 times, and 100 is the most"]
