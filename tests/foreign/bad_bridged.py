#!/usr/bin/env python3
"""Bad records of bridges as raw bytes through a real Kafka and the service: each has its reason, none stops or is lost, the
next good one goes through, memory stays flat, and the service says the same as the filter.

  bad_bridged.py BOOTSTRAP
"""

import collections
import json
import pathlib
import sys
import time

from confluent_kafka.admin import NewTopic

import bridges
import wire
from bad_input import reasons
from org_day import sid
from service import BINARY, Router, topics
from story import fail

DOMAIN, PREFIX = "acme", f"broken-{int(time.time())}-"
TOPIC = PREFIX + "bridged"
MOST_MB = 64


def created(number):
    """A lead of its own for each record."""
    body = {"Company": f"C{number}", "Status": "New", "Address": {"City": "Ulm", "Country": "Germany"}}
    return bridges.Change("Lead", sid("00Q", number), "CREATE", body, number, int(time.time() * 1000), sid("005", 1))


def lead(number):
    """A good one's id; the bad ones have theirs above."""
    return bridges.cometd(created(number))


def headed(number, **more):
    """CometD's JSON with another head."""
    change = created(number)
    head = {name: it for name, it in {**change.header([]), **more}.items() if it is not ...}
    return bridges.text({"payload": {**change.body, "ChangeEventHeader": head}})


def frames(avro):
    yield "nothing", b"", [], "frame.too_short"
    for length in (1, 4):
        yield f"{length} bytes of a frame", avro[:length], [], "frame.too_short"
    yield "a frame without a datum", avro[:5], [], "avro.truncated"
    yield "a schema's GUID that nobody has", b"\x01" + b"\x07" * 16 + avro[5:], [], "any"
    yield "Glue's header", b"\x03" + avro, [], "any"
    yield "an id that nobody has", b"\x00\x7f\xff\xff\xff" + avro[5:], [], "schema.unknown"
    yield "an id below zero", b"\x00\xff\xff\xff\xff" + avro[5:], [], "schema.unknown"
    yield "another object's schema", b"\x00\x00\x00\x00\x09" + avro[5:], [], "any"
    yield "the id in a header, and nobody has it", avro[5:], [("__value_schema_id", "99")], "any"


def avro_bodies(avro):
    """Cut at every byte, and every byte of the head bent: no length, index or count is believed."""
    yield "more behind it", avro + b"\x00", [], "avro.trailing"
    for length in range(6, len(avro)):
        yield f"cut at {length}", avro[:length], [], "any"
    for at in range(5, 40):
        for bent in (b"\xff" * 11, b"\x01", b"\xfe\xff\xff\xff\x0f"):
            yield f"bent at {at}", avro[:at] + bent + avro[at + 1:], [], None


def json_values():
    for name, value in {
        "half an object": b'{"payload":{"ChangeEventHeader":', "a trailing comma": b'{"a":1,}', "UTF-16": '{"a":1}'.encode("utf-16"),
        "not a number": b'{"a":NaN}', "two documents": b'{"a":1}{"b":2}', "a list": b"[1,2]", "a text": b'"x"', "a number": b"7",
        "nothing in it": b"{}", "half a surrogate": b'{"a":"\\ud800"}', "deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        "deep lists": b"[" * 100_000, "a text of 900,000 bytes": b'{"a":"' + b"x" * 900_000 + b'"}', "no UTF-8": b'{"a":"\xc3\x28"}',
        "a million numbers": b"[" + b"1," * 400_000 + b"1]",
    }.items():
        yield name, value, [], "any"


def heads(number):
    yield "no head", bridges.text(created(number).body), [], "any"
    for name, more, reason in [
        ("an unknown kind", {"changeType": "EXPLODE"}, "enum.unknown"), ("no kind", {"changeType": ...}, "field.missing"),
        ("a kind that is a number", {"changeType": 7}, "any"), ("no entity", {"entityName": ...}, None),
        ("no records", {"recordIds": []}, "field.missing"), ("a contact", {"recordIds": ["0035f00002JUZPDAA5"]}, "id.invalid"),
        ("in lower case", {"recordIds": ["00q5f00000abcd1eaf"]}, "id.invalid"), ("an empty id", {"recordIds": [""]}, "field.missing"),
        ("an id of 300 bytes", {"recordIds": ["x" * 300]}, "id.invalid"), ("bits that are none", {
            "changeType": "UPDATE", "changedFields": ["0xZZ"]}, None),
        ("a time far ahead", {"commitTimestamp": 10 ** 17}, "timestamp_range"), ("a time below zero", {"commitTimestamp": -1}, None),
    ]:
        number += 1
        yield name, headed(number, **more), [], reason


def cases():
    """(name, value, headers, the reason; "any" of the closed list; None: whatever the filter says)"""
    _, avro, _ = bridges.pubsub(created(100_000))
    yield from frames(avro)
    yield from avro_bodies(avro)
    yield from json_values()
    yield from heads(200_000)
    yield "no value and no key", None, [], "any"
    yield "a thousand headers", b"{}", [(f"h{n}", "x" * 50) for n in range(1_000)], "any"
    yield "an empty header", b"{}", [("operation", "")], "any"
    for file in sorted(pathlib.Path(bridges.SCHEMAS).parent.glob("*.json")):
        steps = [step for case in json.loads(file.read_text()) for step in case["steps"]]
        for step in (it for it in steps if it["expect"]["outcome"] == "dead-letter"):
            record, packed = step["record"], step["record"].get("value_base64")
            if record.get("key_json") or record.get("value_null") or record.get("key_base64"):
                continue
            value = bridges.base64.b64decode(packed) if packed is not None else bridges.text(record["value_json"])
            headers = [tuple(it) for it in record.get("headers", [])]
            yield f"{file.stem} of the corpus", value, headers, step["expect"]["reason"]


def records():
    """Every bad record and a good one after it, as the filter and the broker take them."""
    at, told = int(time.time() * 1000), []
    for number, (name, value, headers, reason) in enumerate(cases()):
        told.append((name, reason))
        yield TOPIC, at, None, value, headers
        key, value, headers = lead(number)
        yield TOPIC, at, key, value, headers
        told.append(("the next good one", None))
    records.told = told


def resident(process):
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return {name: int(text.split(name)[1].split()[0]) // 1024 for name in ("VmHWM:", "VmRSS:")}


def configured(bootstrap):
    more = f'\n[dead_letters]\nstop_after = 0\n[ingest]\ntopics = "{TOPIC}"\n'
    more += f'domain = "{DOMAIN}"\nschemas = "{bridges.SCHEMAS}"\n'
    return Router(bootstrap, instance="9", workers=1, group=PREFIX, topics=topics(PREFIX) + more)


def live(bootstrap, all_records, wanted, faults):
    admin = wire.admin(bootstrap)
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result()
    service = configured(bootstrap)
    service.command("topics", "apply", "--yes")
    service.start("ingest")
    try:
        producer = wire.producer(bootstrap)

        def send(some):
            for topic, at, key, value, headers in some:
                wire.send(producer, topic, key, value, headers=list(headers), timestamp=at, partition=0)
            producer.flush()

        def seen(topic):
            return wire.read_all(bootstrap, PREFIX + topic)

        def until(count, topic):
            end = time.monotonic() + 90
            while len(seen(topic)) < count and time.monotonic() < end:
                time.sleep(0.3)

        # The first hundred warm it up: what grows after that is due to the records.
        send(all_records[:100])
        until(sum(letter is not None for letter, _ in wanted[:100]), "dead-letter")
        before = resident(service.process)["VmHWM:"]
        send(all_records[100:])
        until(sum(letter is not None for letter, _ in wanted), "dead-letter")
        until(sum(len(ids) for _, ids in wanted), "lead-created")
        grew = resident(service.process)["VmHWM:"] - before
        if grew > MOST_MB:
            faults.append(f"memory grew by {grew} MB")
        letters = {}
        for record in seen("dead-letter"):
            said = {"dlq.reason", "dlq.topic", "dlq.offset", "ingest.cause"}
            headers = {name: (value or b"").decode() for name, value in record[5] if name in said}
            # What the second stage refuses is a change, which says what it came of.
            first = headers["dlq.topic"] == TOPIC
            offset = headers["dlq.offset"] if first else headers["ingest.cause"].rsplit("/", 1)[1]
            letters.setdefault(int(offset), []).append(headers["dlq.reason"])
        for offset, (reason, _) in enumerate(wanted):
            if letters.get(offset, []) != ([] if reason is None else [reason]):
                faults.append(f"record {offset} is {letters.get(offset)}, the filter says {reason}")
        codec = wire.Wire()
        found = sorted(codec.decode("lead-created", record[4])["event_id"] for record in seen("lead-created"))
        if found != sorted(one for _, ids in wanted for one in ids):
            faults.append(f"{len(found)} events, {sum(len(ids) for _, ids in wanted)} expected")
        code, _ = service.stop()
        if code != 0:
            faults.append(f"exit {code}")
        print(service.command("verify"), end="")
        return grew
    finally:
        service.kill()


def main():
    faults, all_records = [], list(records())
    said, closed = bridges.as_filter(BINARY, DOMAIN, all_records), reasons()
    wanted = []
    for (name, expected), answers in zip(records.told, said):
        letters = [it["headers"]["dlq.reason"] for it in answers if it.get("topic") == "lead-router.dead-letter"]
        ids = [it["value"]["event_id"] for it in answers if it.get("topic") == "lead-created"]
        reason = letters[0] if letters else None
        wanted.append((reason, ids))
        if reason is not None and reason not in closed:
            faults.append(f"{name}: {reason} is no reason")
        if expected not in (None, "any", reason) or (expected == "any" and reason is None):
            faults.append(f"{name}: {reason}, expected {expected}")
        if name == "the next good one" and len(ids) != 1:
            faults.append(f"the good one after it did not go through: {answers}")
    grew = live(sys.argv[1], all_records, wanted, faults)
    counts = collections.Counter(reason for reason, _ in wanted if reason)
    print(f"{len(all_records)} records, {sum(counts.values())} of them bad: {dict(counts)}; memory grew by {grew} MB")
    fail(faults)


if __name__ == "__main__":
    main()
