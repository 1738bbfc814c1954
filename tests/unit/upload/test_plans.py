"""A plan is one thread's at a time, comes when it is time, and lasts no longer than what is in it."""

from anthrofs.errors import Refused
from anthrofs.upload.inquiries import INQUIRE_S
from anthrofs.upload.plans import DeletePlan, Plans, SendPlan


def test_a_plan_is_its_takers_until_it_is_given_back() -> None:
    plans = Plans[str, SendPlan](SendPlan)
    plan = plans.take("a", big=True)
    assert plan is not None
    assert (plans.take("a"), plans.take("a", early=True), plans.bigs(), plans.busy()) == (None, None, 1, {"a"})
    plans.give_back("a", 0.0, done=False)
    assert (plans.bigs(), plans.busy(), plans.every()) == (0, set(), {})
    assert plans.take("a") is not plan


def test_what_failed_comes_when_it_is_time_and_the_next_try_knows_why() -> None:
    plans = Plans[str, SendPlan](SendPlan)
    plan = plans.take("a")
    assert plan is not None
    plan.not_before_s, plan.refusal = 10.0, Refused("no")
    plans.give_back("a", 5.0, done=False)
    assert (plans.take("a"), plans.moments_s(), plans.not_now()) == (None, [10.0], {"a"})
    plans.recall(9.9)
    assert plans.take("a") is None
    plans.recall(10.0)
    assert plans.take("a") is plan


def test_what_is_done_leaves_nothing() -> None:
    plans = Plans[str, SendPlan](SendPlan)
    plan = plans.take("a")
    assert plan is not None
    plan.not_before_s, plan.refused = 10.0, 3
    plans.give_back("a", 5.0, done=True)
    assert (plans.every(), plans.moments_s()) == ({}, [])


def test_who_hurries_ends_the_waiting_but_for_what_became_of_a_lost_answer() -> None:
    plans = Plans[str, SendPlan](SendPlan)
    for key, lost_s in (("lost", 1.0), ("failed", None)):
        plan = plans.take(key)
        assert plan is not None
        plan.not_before_s, plan.lost_s, plan.refused = 10.0, lost_s, 1
        plans.give_back(key, 2.0, done=False)
    working = plans.take("working")
    assert working is not None
    working.not_before_s = 20.0
    plans.hasten(2.0)
    assert plans.not_now() == {"lost", "working"}
    assert plans.every()["failed"].refused == 1             # the next try has to know it all the same
    assert working.not_before_s == 20.0                     # its thread's alone
    plans.sooner("lost", 1.0 + INQUIRE_S[0])
    plans.recall(2.0)
    assert plans.take("lost") is not None


def test_the_pauses_of_an_id_begin_anew_when_somebody_hurries() -> None:
    plans = Plans[str, DeletePlan](DeletePlan)
    plan = plans.take("a")
    assert plan is not None
    plan.not_before_s, plan.refused = 10.0, 4
    plans.give_back("a", 0.0, done=False)
    assert plans.take("a", early=True) is plan              # a listing has shown that it is gone
    plans.give_back("a", 0.0, done=False)
    plans.hasten(0.0)
    assert plans.every() == {}
