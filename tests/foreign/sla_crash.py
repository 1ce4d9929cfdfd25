#!/usr/bin/env python3
"""Timers armed, the router killed past their deadlines and started again: each step fires once, late by the outage,
none twice, and none for a lead that was touched meanwhile.

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
    router.stop()
    fired = collections.Counter((event["lead_id"], event["step"]) for event in breached)
    faults = [f"{key}: fired {count} times" for key, count in fired.items() if count != 1]
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
