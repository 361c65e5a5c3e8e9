"""What keeps Snakemake from taking the time of jobs while they run."""

import time


def look_seldom(scheduler):
    """Let Snakemake plan a look for jobs to start only where none is planned.

    After every look it plans the next, a second later. Every job that ends makes it look, too, and
    so leaves one more look in every second behind: after 70 jobs of a study of 250, these took 40 %
    of a core. The method is not public, so other releases may not have it.
    """
    plan = getattr(scheduler, "_schedule_reevalutation", None)
    if plan is None:
        return
    due = 0.0

    def plan_one(delay):
        nonlocal due
        now = time.monotonic()
        if now >= due:
            due = now + delay
            plan(delay)

    scheduler._schedule_reevalutation = plan_one
