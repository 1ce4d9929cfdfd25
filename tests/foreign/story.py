#!/usr/bin/env python3
"""A foreign writer and reader: produces a company's events from schemas/*.avsc alone, and reads the router's
answers back read-committed.

  story.py produce BOOTSTRAP [--leads N] [--domains N] [--target SECS] [--seed N] [--rate N] [--truth FILE]
  story.py check   BOOTSTRAP --truth FILE [--timeout SECS]   every lead once, owner right, breaches only for the untouched
  story.py count   BOOTSTRAP --truth FILE [--timeout SECS]   a second count, for runs with kills: chains without gaps or repeats
"""

import argparse
import collections
import json
import random
import sys
import time

import company
import wire


def produce(options):
    rng = random.Random(options.seed)
    out, codec = wire.producer(options.bootstrap), wire.Wire()
    domains = [f"org{n:02d}" for n in range(options.domains)]

    def emit(topic, domain, value):
        wire.send(out, options.prefix + topic, domain.encode(), codec.encode(topic, value))
        out.poll(0)

    for domain in domains:
        for topic, value in company.reference(domain, options.target, options.reassign):
            emit(topic, domain, value)
    out.flush()
    time.sleep(options.settle)
    truth = {"leads": {}, "touched": {}, "target": options.target, "reassign": options.reassign}
    started = time.monotonic()
    for number in range(options.leads):
        domain = domains[number % len(domains)]
        lead = company.lead(domain, number, rng)
        emit("lead-created", domain, lead)
        truth["leads"][lead["lead_id"]] = [domain, lead["state"]]
        if options.rate and number % 100 == 99:
            ahead = (number + 1) / options.rate - (time.monotonic() - started)
            if ahead > 0:
                out.flush()
                time.sleep(ahead)
    out.flush()
    if options.touch:
        touches(options, rng, emit, truth)
        out.flush()
    json.dump(truth, open(options.truth, "w"))
    print(f"produced {options.leads} leads in {options.domains} domains, {len(truth['touched'])} of them touched")


def touches(options, rng, emit, truth):
    """Once all are assigned, half of the leads are answered by their owner; some deals close."""
    until = time.monotonic() + options.timeout
    while len(wire.read_all(options.bootstrap, options.prefix + "lead-assigned")) < len(truth["leads"]):
        if time.monotonic() > until:
            raise SystemExit("the leads were not assigned in time")
        time.sleep(0.2)
    # A touch counts from the assignment on, so it happens after the last of them.
    moment = company.now_ms()
    for lead_id, (domain, state) in truth["leads"].items():
        if rng.random() < 0.5:
            emit("lead-activity", domain, {
                "event_id": f"{lead_id}-touch", "lead_id": lead_id, "kind": "CALL",
                "occurred_at": company.at(moment),
            })
            truth["touched"][lead_id] = moment
        if rng.random() < 0.2:
            emit("opportunity-closed", domain, {
                "event_id": f"{lead_id}-deal", "opportunity_id": f"opp-{lead_id}",
                "outcome": rng.choice(["WON", "LOST"]), "rep_id": company.expected(domain, state)[1][0],
                "lead_id": lead_id, "closed_at": company.at(moment),
            })


def answers(options, done):
    """Reads both answer topics until `done(assigned, breached)` or the time is up."""
    codec, until = wire.Wire(), time.monotonic() + options.timeout
    while True:
        assigned = [codec.decode("lead-assigned", r[4]) for r in wire.read_all(options.bootstrap, options.prefix + "lead-assigned")]
        breached = [codec.decode("sla-breached", r[4]) for r in wire.read_all(options.bootstrap, options.prefix + "sla-breached")]
        if done(assigned, breached) or time.monotonic() > until:
            return assigned, breached
        time.sleep(1)


def fail(faults):
    for fault in faults[:20]:
        print("FAULT", fault)
    print(f"{len(faults)} faults")
    sys.exit(1 if faults else 0)


def check(options):
    truth = json.load(open(options.truth))
    leads, touched = truth["leads"], truth["touched"]
    untouched = set(leads) - set(touched)
    steps = 2
    assigned, breached = answers(options, lambda a, b: len(a) >= len(leads) and len(b) >= steps * len(untouched))
    faults = []
    by_lead = collections.defaultdict(list)
    for event in assigned:
        by_lead[event["lead_id"]].append(event)
    for lead_id, (domain, state) in leads.items():
        events = by_lead.pop(lead_id, [])
        if len(events) != 1:
            faults.append(f"{lead_id}: {len(events)} lead-assigned, expected one")
            continue
        event, (territory, reps) = events[0], company.expected(domain, state)
        if (event["outcome"], event["domain"], event["territory_id"]) != ("ASSIGNED", domain, territory):
            faults.append(f"{lead_id}: {event['outcome']} in {event['domain']} to {event['territory_id']}")
        if event["rep_id"] not in reps:
            faults.append(f"{lead_id}: given to {event['rep_id']}, not to one of {reps}")
    faults += [f"{lead_id}: assigned but never produced" for lead_id in by_lead]
    fired = collections.Counter((event["lead_id"], event["step"]) for event in breached)
    faults += [f"{key}: fired {count} times" for key, count in fired.items() if count != 1]
    # On a slow machine a step may be due before the last lead is assigned, and so before the touch.
    early = [event for event in breached if event["lead_id"] in touched
             and event["due_at"] <= company.at(touched[event["lead_id"]])]
    early = {(event["lead_id"], event["step"]) for event in early}
    if len(early) > len(touched) / 4:
        faults.append(f"{len(early)} steps were due before the touch: the machine is too slow for this target")
    faults += [f"{lead}: touched, yet step {step} fired" for lead, step in fired
               if lead in touched and (lead, step) not in early]
    faults += [f"{lead}: step {step} missing" for lead in untouched for step in (1, 2) if (lead, step) not in fired]
    print(f"{len(assigned)} assignments, {len(breached)} breaches for {len(leads)} leads, {len(touched)} of them touched")
    fail(faults)


def count(options):
    truth = json.load(open(options.truth))
    leads = truth["leads"]
    assigned, breached = answers(options, lambda a, b: len({e["lead_id"] for e in a}) >= len(leads))
    faults, chains, sequences = [], collections.defaultdict(list), collections.defaultdict(list)
    for event in assigned:
        chains[event["lead_id"]].append(event["assignment_no"])
        sequences[event["domain"]].append(event["domain_seq"])
    faults += [f"{lead}: no lead-assigned" for lead in leads if lead not in chains]
    faults += [f"{lead}: assigned but never produced" for lead in chains if lead not in leads]
    faults += [f"{lead}: assignment numbers {sorted(numbers)}" for lead, numbers in chains.items()
               if sorted(numbers) != list(range(1, len(numbers) + 1))]
    faults += [f"{domain}: decision numbers have gaps or repeats" for domain, numbers in sequences.items()
               if sorted(numbers) != list(range(1, len(numbers) + 1))]
    fired = collections.Counter((e["lead_id"], e["assignment_no"], e["step"]) for e in breached)
    faults += [f"{key}: fired {times} times" for key, times in fired.items() if times != 1]
    loads = collections.Counter(e["rep_id"] for e in assigned if e["assignment_no"] == 1)
    by_pool = collections.defaultdict(list)
    for rep, given in loads.items():
        by_pool[rep.rsplit("-", 1)[0]].append(given)
    faults += [f"pool {pool}: loads {given} differ by more than one" for pool, given in by_pool.items()
               if max(given) - min(given) > 1 and not truth["reassign"]]
    print(f"{len(assigned)} assignments of {len(chains)} leads, {len(breached)} breaches")
    fail(faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["produce", "check", "count"])
    parser.add_argument("bootstrap")
    parser.add_argument("--leads", type=int, default=1000)
    parser.add_argument("--domains", type=int, default=3)
    parser.add_argument("--target", type=int, default=20, help="SLA target in seconds")
    parser.add_argument("--reassign", action="store_true", help="the ladder ends with REASSIGN")
    parser.add_argument("--touch", action="store_true", help="half of the leads are touched")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=int, default=0, help="leads a second; 0 = as fast as it goes")
    parser.add_argument("--settle", type=float, default=2.0, help="seconds between reference data and leads")
    parser.add_argument("--prefix", default="", help="before the names of the topics")
    parser.add_argument("--truth", default="truth.json")
    parser.add_argument("--timeout", type=int, default=120)
    options = parser.parse_args()
    {"produce": produce, "check": check, "count": count}[options.command](options)


if __name__ == "__main__":
    main()
