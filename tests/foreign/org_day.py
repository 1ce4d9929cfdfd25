#!/usr/bin/env python3
"""An org's day through ingest and the router, ingest killed on the way: the right owners, every event once.

  org_day.py BOOTSTRAP [--records N] [--kills N] [--seed N]

The records are written in the shapes of ten bridges (bridges.py). Kills come while a transaction of ingest is open, as far
as that can be seen from outside. What ingest wrote is compared, event id by event id, with what the same binary says as a
filter, and `lead-router verify` proves it over both stages from the topics.
"""

import argparse
import collections
import random
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import NewTopic

import bridges
import wire
from bad_input import murmur2
from service import BINARY, Router, topics

STATES = ["CA", "NY", "TX", "WA", "FL", "IL", "MA", "CO"]
SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
DOMAIN = "acme"
PREFIX = f"day-{int(time.time())}-"
# The parts of a territory in one order, for both ways; leads and the rest by record.
BRIDGED = {"reference": 1, "lead": 3, "rest": 3}
# Slow enough that there is work after every kill: a killed member keeps its partitions until its session ends (6 s).
RATE = 400
PARTITIONS = 8
HOME = murmur2(DOMAIN.encode()) % PARTITIONS


def sid(prefix, number):
    text = f"{prefix}5f{number:010d}"
    groups = [text[at:at + 5] for at in (0, 5, 10)]
    return text + "".join(SUFFIX[sum(1 << k for k, c in enumerate(g) if c.isupper())] for g in groups)


class Day:
    """The records of the day as (topic, partition key, time, key, value, headers), and who should own each lead in the end."""

    def __init__(self, count, seed):
        self.rng, self.number, self.at = random.Random(seed), 0, int(time.time() * 1000) - 600_000
        self.reps = [sid("005", n) for n in range(len(STATES) * 2)]
        self.owners, self.shapes = {}, collections.Counter()
        self.reference = [self.say("reference", "User", rep, "CREATE", {
            "Name": rep, "IsActive": True, "UserType": "Standard"}, bridges.row) for rep in self.reps]
        for n, state in enumerate(STATES):
            self.reference += self.territory(n, state)
        leads = count // 2
        self.creates = [self.lead(n) for n in range(leads)]
        self.rest = [self.change(sid("00Q", self.rng.randrange(leads))) for _ in range(count - leads)]

    def say(self, topic, entity, record, kind, body, shape=None):
        self.number += 1
        self.at += 1 + self.rng.randrange(40)
        change = bridges.Change(entity, record, kind, body, self.number, self.at, self.reps[0])
        fit = [it for it in bridges.ALL.values() if bridges.can_say(it, change)]
        shape = shape or self.rng.choice(fit)
        self.shapes[shape.__name__] += 1
        return (topic, record, self.at, *shape(change))

    def territory(self, n, state):
        territory, rule, item = sid("0MI", n), sid("0Mb", n), sid("0Mc", n)
        parts = [
            ("ObjectTerritory2AssignmentRuleItem", item, {
                "RuleId": rule, "Field": "Lead.State", "Operation": "equals", "Value": state, "SortOrder": 1}),
            ("ObjectTerritory2AssignmentRule", rule, {"ObjectType": "Lead", "IsActive": True}),
            ("RuleTerritory2Association", sid("0Md", n), {"RuleId": rule, "TerritoryId": territory}),
            ("UserTerritory2Association", sid("0Me", n), {
                "Territory2Id": territory, "UserId": self.reps[n], "IsActive": True}),
            ("Territory2", territory, {"Name": state}),
        ]
        return [self.say("reference", entity, record, "CREATE", body, bridges.row) for entity, record, body in parts]

    def lead(self, n):
        record, state = sid("00Q", n), self.rng.randrange(len(STATES))
        self.owners[record] = self.reps[state]
        return self.say("lead", "Lead", record, "CREATE", {
            "Company": f"Company {n}", "Status": "Open - Not Contacted", "OwnerId": sid("00G", 1),
            "Address": {"State": STATES[state], "Country": "United States"}})

    def change(self, lead):
        what = self.rng.randrange(8)
        if what == 0:
            owner = self.rng.choice(self.reps)
            self.owners[lead] = owner
            return self.say("lead", "Lead", lead, "UPDATE", {"OwnerId": owner})
        if what == 1:
            return self.say("lead", "Lead", lead, "UPDATE", {"Rating": self.rng.choice(["Hot", "Warm", "Cold"])})
        if what == 2:
            return self.say("lead", "Lead", lead, "UPDATE", {"Title": "Nobody maps this"})
        if what == 3:
            return self.say("rest", "Task", sid("00T", self.number), "CREATE", {
                "WhoId": lead, "OwnerId": self.reps[0], "Status": "Completed", "TaskSubtype": "Call"})
        if what == 4:
            return self.say("rest", "Account", sid("001", self.number), "CREATE", {
                "Name": f"Account {self.number}", "Type": "Customer - Direct", "OwnerId": self.reps[1]})
        if what == 5:
            return self.say("rest", "Opportunity", sid("006", self.number), "CREATE", {
                "StageName": "Closed Won", "IsClosed": True, "IsWon": True, "OwnerId": self.reps[2], "Amount": 5.5})
        if what == 6:
            return self.say("rest", "Case", sid("500", self.number), "CREATE", {"Subject": "not wanted"})
        self.number += 1
        return "rest", "x", self.at, b"x", bridges.text({"nobody": "knows what this is", "number": self.number}), []


def write(bootstrap, records, rate=None):
    """By record, so that its changes keep their order."""
    out = Producer({**wire.QUIET, "bootstrap.servers": bootstrap, "queue.buffering.max.messages": 1_000_000})
    began = time.monotonic()
    for number, (topic, record, at, key, value, headers) in enumerate(records):
        if rate:
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
        partition = sum(record.encode()) % BRIDGED[topic]
        wire.send(out, PREFIX + topic, key, value, headers=list(headers), timestamp=at, partition=partition)
        out.poll(0)
    out.flush()


def as_filter(records):
    """Events by topic and the number of dead letters, as `ingest --pipe` has them."""
    events, letters = collections.defaultdict(list), 0
    said = bridges.as_filter(BINARY, DOMAIN, [(PREFIX + topic, *record) for topic, _, *record in records])
    for answer in (answer for answers in said for answer in answers):
        letters += answer.get("topic") == "lead-router.dead-letter"
        if answer.get("topic") in wire.INPUTS:
            events[answer["topic"]].append(answer["value"]["event_id"])
    return events, letters


class Ends:
    """How far a topic reaches, for readers of committed records and for all."""

    def __init__(self, bootstrap):
        self.clients = [Consumer({**wire.QUIET, "bootstrap.servers": bootstrap, "group.id": "ends", "isolation.level": level})
                        for level in ("read_committed", "read_uncommitted")]

    def open(self, topic):
        """Whether a transaction is open in the org's partition."""
        part = TopicPartition(PREFIX + topic, HOME)
        stable, end = (client.get_watermark_offsets(part, timeout=10)[1] for client in self.clients)
        return stable < end


def wait_for(what, most=240):
    until = time.monotonic() + most
    while not what():
        if time.monotonic() > until:
            raise SystemExit(f"not within {most} s: {what.__doc__}")
        time.sleep(0.5)


class Test:
    def __init__(self, options):
        self.options, self.bootstrap, self.rng = options, options.bootstrap, random.Random(options.seed)
        self.day, self.wire = Day(options.records, options.seed), wire.Wire()
        everything = self.day.reference + self.day.creates + self.day.rest
        self.expected, self.letters = as_filter(everything)
        print(f"{len(everything)} records, {sum(map(len, self.expected.values()))} events and {self.letters} dead letters "
              f"expected; shapes: {dict(self.day.shapes)}", flush=True)
        admin = wire.admin(self.bootstrap)
        for future in admin.create_topics([NewTopic(PREFIX + it, n, 1) for it, n in BRIDGED.items()]).values():
            future.result()
        lines = f"""{topics(PREFIX)}\n[ingest]\ntopics = "{", ".join(PREFIX + it for it in BRIDGED)}"
domain = "{DOMAIN}"\nschemas = "{bridges.SCHEMAS}"\n"""
        self.router = Router(self.bootstrap, instance="0", group=PREFIX, topics=lines)
        self.ingest = Router(self.bootstrap, instance="1", group=PREFIX, topics=lines)
        self.router.command("topics", "apply", "--yes")

    def read(self, topic):
        return wire.read_all(self.bootstrap, PREFIX + topic)

    def written(self, topic):
        return [self.wire.decode(topic, record[4])["event_id"] for record in self.read(topic)]

    def kills(self):
        """Half of them while the first stage writes, half while the second does."""
        ends, inside = Ends(self.bootstrap), 0
        for kill in range(self.options.kills):
            topic, patience = ("raw", "ingest-state")[kill % 2], time.monotonic() + 12
            while not ends.open(topic) and time.monotonic() < patience:
                pass
            self.ingest.kill()
            # What is open now nobody will ever complete.
            inside += ends.open(topic)
            time.sleep(self.rng.uniform(0.0, 0.5))
            self.ingest.start("ingest")
        print(f"{self.options.kills} kills, {inside} of them inside a transaction", flush=True)

    def run(self):
        day, expected = self.day, self.expected

        def reference_is_there():
            """the reference data"""
            return len(self.read("territory-changed")) >= len(expected["territory-changed"])

        def all_is_there():
            """all events and dead letters"""
            return all(len(self.read(it)) >= len(expected[it]) for it in wire.INPUTS) \
                and len(self.read("dead-letter")) >= self.letters

        def all_is_decided():
            """the last owner of every lead"""
            return not self.wrong_owners()

        self.router.start()
        self.ingest.start("ingest")
        write(self.bootstrap, day.reference)
        wait_for(reference_is_there)
        began = time.monotonic()
        writer = threading.Thread(target=write, args=(self.bootstrap, day.creates + day.rest, RATE))
        writer.start()
        self.kills()
        writer.join()
        wait_for(all_is_there)
        print(f"all is there {time.monotonic() - began:.1f} s after the first lead", flush=True)
        wait_for(all_is_decided, 60)
        self.compare()
        codes = [process.stop()[0] for process in (self.ingest, self.router)]
        if any(codes):
            raise SystemExit(f"exit codes {codes}")
        print(self.router.command("verify"), end="")

    def wrong_owners(self):
        last = {}
        for record in self.read("lead-assigned"):
            value = self.wire.decode("lead-assigned", record[4])
            seen = last.get(value["lead_id"], (0, None))
            last[value["lead_id"]] = max(seen, (value["assignment_no"], value.get("rep_id")))
        return [lead for lead, owner in self.day.owners.items() if last.get(lead, (0, None))[1] != owner]

    def compare(self):
        for topic in wire.INPUTS:
            found, wanted = sorted(self.written(topic)), sorted(self.expected[topic])
            if found != wanted:
                raise SystemExit(f"{topic}: {len(found)} events, {len(set(found))} different, {len(wanted)} expected")
        letters = len(self.read("dead-letter"))
        if letters != self.letters:
            raise SystemExit(f"{letters} dead letters, {self.letters} expected")
        counts = {topic: len(it) for topic, it in self.expected.items()}
        print(f"each once: {counts}, {letters} dead letters; {len(self.day.owners)} leads have the right owner", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bootstrap")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    test = Test(options)
    try:
        test.run()
    finally:
        for process in (test.ingest, test.router):
            process.kill()


if __name__ == "__main__":
    main()
