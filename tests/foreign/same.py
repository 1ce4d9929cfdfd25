#!/usr/bin/env python3
"""One recorded input gives the same decisions through `pipe`, through the log in memory and through Kafka
(clock = "record"): everything but offsets.

  same.py BOOTSTRAP [--leads N] [--seed N]
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import tempfile
import time

import wire
from service import BINARY, ROOT, Router, topics
from story import fail

START = 1_767_600_000_000
ORDER = ["territory-changed", "rep-changed", "account-changed", "policy-changed",
         "lead-created", "lead-updated", "lead-activity", "opportunity-closed"]
STATES = ["CA", "WA", "NY", "MA", "TX", "ZZ"]


def recording(leads, rng):
    """(timestamp, topic, domain, value): a company that changes while leads come in, over a simulated day."""
    events, number = [], 0

    def say(at, topic, domain, **value):
        nonlocal number
        number += 1
        events.append((at, topic, domain, {"event_id": f"event-{number}", **value}))

    for domain in ("north", "south", "third"):
        for n in range(6):
            say(START, "rep-changed", domain, rep_id=f"rep-{n}", active=True, manager_id="boss", weight=1 + n % 3)
        territories = {"west": ["CA", "WA"], "east": ["NY", "MA"], "texas": ["TX"]}
        for at, (name, states) in enumerate(territories.items()):
            rules = [{"all": [{"field": "state", "op": "IN", "values": states}]}]
            members = [{"rep_id": f"rep-{n}"} for n in range(2 * at, 2 * at + 2)]
            say(START, "territory-changed", domain, territory_id=name, name=name, rules=rules, members=members)
        for n in range(leads):
            at = START + 1_000 + rng.randrange(86_400_000) // 1_000 * 1_000
            lead = f"{domain}-{n}"
            say(at, "lead-created", domain, lead_id=lead, created_at=at, state=rng.choice(STATES),
                email=f"p{rng.randrange(leads)}@example.com", industry=rng.choice(["software", "retail"]))
            roll = rng.random()
            later = at + rng.randrange(1, 900) * 1_000
            if roll < 0.4:
                say(later, "lead-activity", domain, lead_id=lead, kind="CALL", occurred_at=later)
            elif roll < 0.5:
                say(later, "lead-activity", domain, lead_id=lead, kind="DECLINED", occurred_at=later)
            elif roll < 0.6:
                say(later, "lead-updated", domain, lead_id=lead, changed_at=later, kind="CONVERTED")
            elif roll < 0.7:
                say(later, "lead-updated", domain, lead_id=lead, changed_at=later, kind="OWNER", new_owner_id="rep-0")
            if rng.random() < 0.5:
                say(later, "opportunity-closed", domain, opportunity_id=f"deal-{lead}", rep_id=f"rep-{rng.randrange(6)}",
                    outcome=rng.choice(["WON", "LOST", "LOST"]), closed_at=later, lead_id=lead)
        for hour in range(1, 24, 3):
            at = START + hour * 3_600_000
            say(at, "rep-changed", domain, rep_id=f"rep-{rng.randrange(6)}", active=rng.random() < 0.7, manager_id="boss")
            rules = [{"all": [{"field": "state", "op": "IN", "values": rng.sample(STATES, 2)}]}]
            say(at, "territory-changed", domain, territory_id="west", name="west", rules=rules,
                members=[{"rep_id": "rep-0"}, {"rep_id": "rep-1"}], effective_change="ALL_OPEN")
        # A late last record lets everything fall due that was armed before it.
        say(START + 3 * 86_400_000, "lead-created", domain, lead_id=f"{domain}-last",
            created_at=START + 3 * 86_400_000, state="CA")
    return sorted(events, key=lambda event: (event[0], ORDER.index(event[1])))


def lines_of(events):
    return "".join(json.dumps({"topic": topic, "key": domain, "timestamp": at, "value": value}) + "\n"
                   for at, topic, domain, value in events)


def through_memory(events):
    """The project's own test plays a recording through the log in memory, and writes down what it says."""
    with tempfile.TemporaryDirectory() as folder:
        recording, decisions = pathlib.Path(folder, "recording"), pathlib.Path(folder, "decisions")
        recording.write_text(lines_of(events))
        subprocess.run(["cargo", "test", "--quiet", "--release", "--features", "tls", "--test", "it", "--", "--exact",
                        "worker::replay::the_record_clock_is_that_of_the_filter"], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL,
                       env={**os.environ, "LEAD_ROUTER_RECORDING": str(recording), "LEAD_ROUTER_DECISIONS": str(decisions)})
        return [json.loads(line) for line in decisions.read_text().splitlines()]


def through_pipe(events):
    done = subprocess.run([BINARY, "pipe"], input=lines_of(events), capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [answer for answer in answers if "topic" in answer]


def through_kafka(bootstrap, events):
    prefix = f"same-{int(time.time())}-"
    router = Router(bootstrap, instance="6", group=prefix, clock="record", topics=topics(prefix))
    router.command("topics", "apply", "--yes")
    out = wire.producer(bootstrap)
    for at, topic, domain, value in events:
        wire.send(out, prefix + topic, domain.encode(), json.dumps(value).encode(), timestamp=at)
    out.flush()
    codec = wire.Wire()

    def read(topic):
        return [codec.decode(topic, record[4]) for record in wire.read_all(bootstrap, prefix + topic)]

    router.start()
    before, quiet_since = -1, time.monotonic()
    while time.monotonic() - quiet_since < 5:
        count = len(read("lead-assigned")) + len(read("sla-breached"))
        if count != before:
            before, quiet_since = count, time.monotonic()
        time.sleep(0.5)
    router.stop()
    print(router.command("verify", "--skew-secs", "10"), end="")
    # A restart restores what was committed, and refuses if the digest is another.
    router.start()
    time.sleep(4)
    alive = router.alive()
    router.stop()
    if "PartitionEOF" in pathlib.Path(router.log).read_text():
        raise SystemExit(f"the end of a partition is logged as an error: {router.log}")
    dead = wire.read_all(bootstrap, prefix + "dead-letter")
    return read("lead-assigned"), read("sla-breached"), len(dead), alive


def plain(value):
    """What both must agree on, in one form."""
    if isinstance(value, dict):
        gone = ("caused_by", "positions")
        return {name: plain(one) for name, one in value.items() if one is not None and name not in gone}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if hasattr(value, "timestamp"):
        return round(value.timestamp() * 1000)
    return value


def compare(name, here, there, faults):
    faults += [f"{name} {event}: only in pipe: {here[event]}" for event in sorted(here.keys() - there.keys())]
    faults += [f"{name} {event}: not in pipe: {there[event]}" for event in sorted(there.keys() - here.keys())]
    for event in sorted(here.keys() & there.keys()):
        fields = here[event].keys() | there[event].keys()
        differ = [field for field in sorted(fields) if here[event].get(field) != there[event].get(field)]
        if differ:
            faults.append(f"{name} {event}: {[(field, here[event].get(field), there[event].get(field)) for field in differ]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bootstrap")
    parser.add_argument("--leads", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    events = recording(options.leads, random.Random(options.seed))
    piped, remembered = through_pipe(events), through_memory(events)
    assigned, breached, dead, alive = through_kafka(options.bootstrap, events)
    faults = [] if alive else ["the router did not come up again on its own state"]
    if dead != sum(answer["topic"] == "lead-router.dead-letter" for answer in piped):
        faults.append(f"{dead} dead letters on Kafka")
    for topic, records in (("lead-assigned", assigned), ("sla-breached", breached)):
        by_pipe, by_memory = ({answer["value"]["event_id"]: plain(answer["value"]) for answer in answers
                               if answer["topic"] == topic} for answers in (piped, remembered))
        compare(f"in memory, {topic}", by_pipe, by_memory, faults)
        compare(f"on Kafka, {topic}", by_pipe, {record["event_id"]: plain(record) for record in records}, faults)
    print(f"{len(events)} events: {len(assigned)} assignments and {len(breached)} breaches on Kafka")
    fail(faults)


if __name__ == "__main__":
    main()
