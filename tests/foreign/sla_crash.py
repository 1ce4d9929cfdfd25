#!/usr/bin/env python3
"""Timers armed, the router killed past their deadlines and started again: each step fires once, late by the outage,
none twice, and none for a lead that was touched meanwhile. The table of SLA state, asked over HTTP before and after,
agrees.

  sla_crash.py BOOTSTRAP [--leads N] [--outage SECS]
"""

import argparse
import collections
import random
import time

import company
import wire
from service import Router, topics
from story import fail


def compare(asked, shown, wanted):
    """What the table shows against what the events say."""
    return [f"{asked}: {name} is {shown.get(name)}, expected {value}" for name, value in wanted.items()
            if shown.get(name) != value]


def table_before(router, owner):
    """Nothing was answered yet: each assignment is a ladder of its rep's, the earliest step first."""
    shown, faults = router.ask("/domains/org/sla?limit=1000"), []
    counted = sum(one["on_time"] + one["reminded"] for one in shown["by_rep"])
    faults += compare("the table", {**shown, "counted": counted, "listed": len(shown["due_next"])}, {
        "ladders": len(owner), "escalated": 0, "on_hold": 0, "unanswered": [], "counted": len(owner), "listed": len(owner)})
    due = [row["due_at"] for row in shown["due_next"]]
    faults += [] if due == sorted(due) else ["due_next is not in the order of time"]
    faults += [f"{row['lead_id']}: the table says {row['rep_id']}" for row in shown["due_next"]
               if owner.get(row["lead_id"]) != row["rep_id"]]
    for rep, count in collections.Counter(owner.values()).items():
        faults += compare(rep, router.ask(f"/domains/org/sla?rep={rep}"), {"ladders": count})
    faults += compare("a class", router.ask("/domains/org/sla?class=standard&limit=1"), {"ladders": len(owner)})
    faults += compare("another class", router.ask("/domains/org/sla?class=hot"), {"ladders": 0})
    return faults + ([] if router.ask("/domains/nobody/sla") is None else ["a domain that nobody knows has a table"])


def table_after(router, owner, touched):
    """All steps have fired: who was not answered is escalated, the longest waiting first."""
    shown, open_leads = router.ask("/domains/org/sla?limit=1000"), set(owner) - touched
    since = [row["assigned_at"] for row in shown["unanswered"]]
    return compare("the table", {**shown, "unanswered": {row["lead_id"] for row in shown["unanswered"]}}, {
        "ladders": len(open_leads), "escalated": len(open_leads), "overdue": 0, "due_next": [],
        "unanswered": open_leads}) + ([] if since == sorted(since) else ["unanswered is not in the order of time"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bootstrap")
    parser.add_argument("--leads", type=int, default=200)
    parser.add_argument("--target", type=int, default=16)
    parser.add_argument("--outage", type=int, default=20)
    options = parser.parse_args()
    router = Router(options.bootstrap, instance="7", workers=1, group="crash", topics=topics("crash-"))
    router.command("topics", "apply", "--yes")
    out, codec, rng = wire.producer(options.bootstrap), wire.Wire(), random.Random(1)

    def emit(topic, value):
        wire.send(out, f"crash-{topic}", b"org", codec.encode(topic, value))

    for topic, value in company.reference("org", options.target, reassign=False):
        emit(topic, value)
    out.flush()
    router.start()
    time.sleep(2)
    leads = [company.lead("org", number, rng) for number in range(options.leads)]
    for lead in leads:
        emit("lead-created", lead)
    out.flush()

    def read(topic):
        return [codec.decode(topic, r[4]) for r in wire.read_all(options.bootstrap, f"crash-{topic}")]

    until = time.monotonic() + 60
    while len(read("lead-assigned")) < len(leads) and time.monotonic() < until:
        time.sleep(0.2)
    owner = {event["lead_id"]: event["rep_id"] for event in read("lead-assigned")}
    faults = table_before(router, owner)
    router.kill()
    touched = {lead["lead_id"] for lead in leads[::2]}
    for lead_id in touched:
        emit("lead-activity", {"event_id": f"{lead_id}-touch", "lead_id": lead_id, "kind": "CALL",
                               "occurred_at": company.at(company.now_ms())})
    out.flush()
    early = {(event["lead_id"], event["step"]) for event in read("sla-breached")}
    time.sleep(options.outage)
    router.start()
    expected = 2 * (len(leads) - len(touched))
    until = time.monotonic() + 60
    while len(read("sla-breached")) < expected and time.monotonic() < until:
        time.sleep(0.5)
    time.sleep(2)
    breached = read("sla-breached")
    faults += table_after(router, owner, touched)
    router.stop()
    fired = collections.Counter((event["lead_id"], event["step"]) for event in breached)
    faults += [f"{key}: fired {count} times" for key, count in fired.items() if count != 1]
    faults += [f"{lead}: touched during the outage, yet step {step} fired" for lead, step in fired
               if lead in touched and (lead, step) not in early]
    faults += [f"{lead['lead_id']}: step {step} missing" for lead in leads for step in (1, 2)
               if lead["lead_id"] not in touched and (lead["lead_id"], step) not in fired]
    faults += [f"{event['lead_id']}: step {event['step']} fired early" for event in breached
               if event["fired_at"] < event["due_at"]]
    late = [event["late_by_ms"] for event in breached]
    print(f"{len(breached)} breaches ({len(early)} before the kill), late by {min(late, default=0)} to "
          f"{max(late, default=0)} ms after an outage of {options.outage} s")
    fail(faults)


if __name__ == "__main__":
    main()
