#!/usr/bin/env python3
"""An org's day through ingest and the router, with ingest killed on the way: the right owners, every event once.

  org_day.py BOOTSTRAP [--records N] [--kills N] [--seed N]

The records are written as three bridges would: CometD's JSON, flattened rows, and rows polled with an operation in
a header. What ingest wrote is compared, event id by event id, with what the same binary says as a filter.
"""

import argparse
import base64
import json
import random
import subprocess
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from service import BINARY, Router
from wire import INPUTS, QUIET, Wire

STATES = ["CA", "NY", "TX", "WA", "FL", "IL", "MA", "CO"]
SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
TOPICS = ["sf.reference", "sf.lead", "sf.rest"]
DOMAIN = "acme"


def sid(prefix, number):
    text = f"{prefix}5f{number:010d}"
    groups = [text[at:at + 5] for at in (0, 5, 10)]
    return text + "".join(SUFFIX[sum(1 << k for k, c in enumerate(g) if c.isupper())] for g in groups)


class Day:
    """The records of the day, and who should own each lead in the end."""

    def __init__(self, count, seed):
        self.rng, self.number, self.at = random.Random(seed), 0, int(time.time() * 1000) - 600_000
        self.reps = [sid("005", n) for n in range(len(STATES) * 2)]
        self.owners = {}
        self.reference = [self.user(rep) for rep in self.reps]
        for n, state in enumerate(STATES):
            self.reference += self.territory(n, state)
        leads = count // 2
        self.creates = [self.lead(n) for n in range(leads)]
        self.rest = [self.change(sid("00Q", self.rng.randrange(leads))) for _ in range(count - leads)]

    def header(self, entity, record, kind, fields):
        self.number += 1
        self.at += self.rng.randrange(40)
        return {"entityName": entity, "recordIds": [record], "changeType": kind, "transactionKey": f"tx-{self.number}",
                "sequenceNumber": 1, "commitTimestamp": self.at, "commitNumber": self.number,
                "commitUser": self.reps[0], "changedFields": fields}

    def comet(self, topic, entity, record, kind, body):
        fields = [name for name in body if kind == "UPDATE"]
        header = self.header(entity, record, kind, fields)
        value = {"schema": "s", "payload": dict(body, ChangeEventHeader=header), "event": {"replayId": self.number}}
        return topic, record, value, []

    def row(self, entity, record, body):
        headers = [["operation", "read"], ["sobject", entity], ["commit_timestamp", str(self.at)]]
        return "sf.reference", record, dict(body, Id=record), headers

    def user(self, rep):
        return self.row("User", rep, {"Name": rep, "IsActive": True, "UserType": "Standard"})

    def territory(self, n, state):
        territory, rule, item = sid("0MI", n), sid("0Mb", n), sid("0Mc", n)
        return [
            self.row("ObjectTerritory2AssignmentRuleItem", item, {
                "RuleId": rule, "Field": "Lead.State", "Operation": "equals", "Value": state, "SortOrder": 1}),
            self.row("ObjectTerritory2AssignmentRule", rule, {"ObjectType": "Lead", "IsActive": True}),
            self.row("RuleTerritory2Association", sid("0Md", n), {"RuleId": rule, "TerritoryId": territory}),
            self.row("UserTerritory2Association", sid("0Me", n), {
                "Territory2Id": territory, "UserId": self.reps[n], "IsActive": True}),
            self.row("Territory2", territory, {"Name": state}),
        ]

    def lead(self, n):
        record, state = sid("00Q", n), self.rng.randrange(len(STATES))
        self.owners[record] = self.reps[state]
        body = {"Company": f"Company {n}", "Status": "Open - Not Contacted", "OwnerId": sid("00G", 1),
                "Address": {"State": STATES[state], "Country": "United States"}}
        return self.comet("sf.lead", "Lead", record, "CREATE", body)

    def change(self, lead):
        what = self.rng.randrange(8)
        if what == 0:
            owner = self.reps[self.rng.randrange(len(self.reps))]
            self.owners[lead] = owner
            return self.comet("sf.lead", "Lead", lead, "UPDATE", {"OwnerId": owner})
        if what == 1:
            return self.comet("sf.lead", "Lead", lead, "UPDATE", {"Rating": self.rng.choice(["Hot", "Warm", "Cold"])})
        if what == 2:
            return self.comet("sf.lead", "Lead", lead, "UPDATE", {"Title": "Nobody maps this"})
        if what == 3:
            task = {"WhoId": lead, "OwnerId": self.reps[0], "Status": "Completed", "TaskSubtype": "Call"}
            return self.comet("sf.rest", "Task", sid("00T", self.number), "CREATE", task)
        if what == 4:
            account = {"Name": f"Account {self.number}", "Type": "Customer - Direct", "OwnerId": self.reps[1]}
            return self.comet("sf.rest", "Account", sid("001", self.number), "CREATE", account)
        if what == 5:
            deal = {"StageName": "Closed Won", "IsClosed": True, "IsWon": True, "OwnerId": self.reps[2], "Amount": 5.5}
            return self.comet("sf.rest", "Opportunity", sid("006", self.number), "CREATE", deal)
        if what == 6:
            return self.comet("sf.rest", "Case", sid("500", self.number), "CREATE", {"Subject": "not wanted"})
        return "sf.rest", "x", {"nobody": "knows what this is", "number": self.number}, []


def write(bootstrap, records):
    producer = Producer({**QUIET, "bootstrap.servers": bootstrap, "queue.buffering.max.messages": 1_000_000})
    for topic, key, value, headers in records:
        producer.produce(topic, json.dumps(value).encode(), key.encode(), headers=[tuple(it) for it in headers])
    producer.flush()


def as_filter(records):
    lines = []
    for offset, (topic, key, value, headers) in enumerate(records):
        lines.append(json.dumps({
            "topic": topic, "partition": 0, "offset": offset, "timestamp": int(time.time() * 1000), "headers": headers,
            "key_base64": base64.b64encode(key.encode()).decode(), "value_json": value}))
    done = subprocess.run([BINARY, "ingest", "--pipe", "--domain", DOMAIN], input="\n".join(lines),
                          capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    events = [it for it in answers if it.get("topic") in INPUTS]
    letters = sum(1 for it in answers if it.get("topic") == "lead-router.dead-letter")
    return events, letters


def read(bootstrap, topic):
    consumer = Consumer({**QUIET, "bootstrap.servers": bootstrap, "group.id": "org-day-reader",
                         "isolation.level": "read_committed", "enable.auto.commit": False})
    count = len(AdminClient({"bootstrap.servers": bootstrap}).list_topics(topic, timeout=10).topics[topic].partitions)
    rows = []
    for partition in range(count):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        consumer.assign([TopicPartition(topic, partition, low)])
        while low < high:
            message = consumer.poll(2)
            if message is None:
                break
            rows.append(message)
            low = message.offset() + 1
    consumer.close()
    return rows


def wait_for(what, most=150):
    until = time.monotonic() + most
    while not what():
        if time.monotonic() > until:
            raise SystemExit(f"not within {most} s: {what.__doc__}")
        time.sleep(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bootstrap")
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    day, rng = Day(options.records, options.seed), random.Random(options.seed)
    everything = day.reference + day.creates + day.rest
    expected, letters = as_filter(everything)
    print(f"{len(everything)} records, {len(expected)} events and {letters} dead letters expected", flush=True)

    admin = AdminClient({"bootstrap.servers": options.bootstrap})
    # The parts of a territory in one order, for both ways; leads and the rest by record.
    counts = {"sf.reference": 1}
    new = [NewTopic(topic, counts.get(topic, 3), 1) for topic in TOPICS]
    for future in admin.create_topics(new).values():
        future.result()
    section = f'[ingest]\ntopics = "{", ".join(TOPICS)}"\ndomain = "{DOMAIN}"'
    router = Router(options.bootstrap, instance="0", topics=section)
    ingest = Router(options.bootstrap, instance="1", topics=section)
    print(router.command("topics", "apply", "--yes"), end="")

    def start_ingest():
        out = open(ingest.log, "ab")
        ingest.process = subprocess.Popen([BINARY, "ingest", "--config", ingest.config], stdout=out, stderr=out)

    router.start()
    start_ingest()
    wire = Wire()

    def written(topic):
        return [wire.decode(topic, row.value())["event_id"] for row in read(options.bootstrap, topic)]

    def count(topic):
        return sum(1 for event in expected if event["topic"] == topic)

    def reference_is_there():
        """the reference data"""
        return len(written("territory-changed")) >= count("territory-changed")

    def leads_are_there():
        """the assignments"""
        return len(read(options.bootstrap, "lead-assigned")) >= len(day.creates)

    def all_is_there():
        """all events"""
        return all(len(written(topic)) >= count(topic) for topic in INPUTS)

    write(options.bootstrap, day.reference)
    wait_for(reference_is_there)
    began = time.monotonic()
    write(options.bootstrap, day.creates)
    for kill in range(options.kills):
        time.sleep(rng.uniform(0.2, 1.5))
        ingest.kill()
        time.sleep(rng.uniform(0.0, 1.0))
        start_ingest()
    wait_for(leads_are_there)
    took = time.monotonic() - began
    print(f"{len(day.creates)} leads, {options.kills} kills: all assigned after {took:.1f} s", flush=True)
    write(options.bootstrap, day.rest)
    wait_for(all_is_there)
    time.sleep(3)

    for topic in INPUTS:
        found, wanted = sorted(written(topic)), sorted(e["value"]["event_id"] for e in expected if e["topic"] == topic)
        if found != wanted:
            raise SystemExit(f"{topic}: {len(found)} events, {len(set(found))} different, {len(wanted)} expected")
        print(f"{topic}: {len(found)} events, each once")
    found = len(read(options.bootstrap, "lead-router.dead-letter"))
    if found != letters:
        raise SystemExit(f"{found} dead letters, {letters} expected")
    owners = {}
    for row in read(options.bootstrap, "lead-assigned"):
        value = wire.decode("lead-assigned", row.value())
        owners.setdefault(value["lead_id"], {})[value["assignment_no"]] = value.get("rep_id")
    last = {lead: numbers[max(numbers)] for lead, numbers in owners.items()}
    wrong = [lead for lead, owner in day.owners.items() if last.get(lead) != owner]
    if wrong:
        raise SystemExit(f"{len(wrong)} leads with the wrong owner, the first {wrong[:3]}")
    print(f"{len(day.owners)} leads have the right owner, {letters} dead letters")
    for process in (ingest, router):
        process.stop()
    print(router.command("verify"), end="")


if __name__ == "__main__":
    main()
