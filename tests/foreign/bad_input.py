#!/usr/bin/env python3
"""Bad input, live and through `pipe`: each record ends in the dead letters with its reason and its bytes, or is taken
for what it is; the next good lead is routed. A broken configuration or policy file is refused, all faults at once.

  bad_input.py BOOTSTRAP
"""

import collections
import hashlib
import json
import subprocess
import sys
import tempfile
import time

import wire
from company import at, now_ms
from service import BINARY, Router, topics
from story import fail

DOMAIN, PARTITIONS = "acme", 8
PREFIX = f"bad-{int(time.time())}-"
BROKEN_POLICY = '[choice]\nmethod = "dice"\n[sla.standard]\ntarget_secs = -5\nsteps = []\n'


def murmur2(key):
    """Java's default partitioner."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(key)
    at = 0
    while len(key) - at >= 4:
        k = int.from_bytes(key[at:at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
        at += 4
    rest = key[at:]
    for n in range(len(rest) - 1, -1, -1):
        h ^= rest[n] << 8 * n
    if rest:
        h = h * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


HOME = murmur2(DOMAIN.encode()) % PARTITIONS


def lead(number, **more):
    return {"event_id": f"e{number}", "lead_id": f"L{number}", "created_at": now_ms(), **more}


def policy(text, sha256=None):
    return {"event_id": "broken", "version": "2", "text": text,
            "sha256": sha256 or hashlib.sha256(text.encode()).hexdigest()}


def cases(codec):
    """(name, topic, key, partition, bytes or JSON, the reason that is expected or None: it is taken)"""
    good = codec.encode("lead-created", lead("avro", created_at=at(now_ms())))
    home = (DOMAIN.encode(), HOME)
    yield "bytes that are nothing", "lead-created", *home, b"\xfd\x07\x00garbage", "frame.magic"
    yield "text in UTF-16", "lead-created", *home, '{"event_id":"x"}'.encode("utf-16"), "json.syntax"
    yield "half a JSON object", "lead-created", *home, b'{"event_id":"x","lead_id":', "json.syntax"
    yield "a JSON list", "lead-created", *home, b"[1,2]", "any"
    yield "Avro cut short", "lead-created", *home, good[:-9], "avro.truncated"
    yield "Avro with more behind it", "lead-created", *home, good + b"\x00", "avro.trailing"
    yield "an unknown fingerprint", "lead-created", *home, b"\xc3\x01" + b"\x07" * 8 + good[10:], "schema.unknown"
    yield "another record's schema", "lead-activity", *home, good, "schema.unexpected_name"
    yield "a required field missing", "lead-created", *home, {"event_id": "x", "lead_id": "x"}, "field.missing"
    yield "a null value", "lead-created", *home, None, "value.null"
    yield "a null key", "lead-created", None, 0, lead("nokey"), "key.missing"
    yield "the key of another partition", "lead-created", DOMAIN.encode(), (HOME + 1) % PARTITIONS, lead("astray"), "key.partition"
    yield "a time far ahead", "lead-created", *home, lead("late", created_at=253402300800000), "timestamp_range"
    yield "a time below zero", "lead-created", *home, lead("early", created_at=-1), "timestamp_range"
    yield "a time beyond 64 bits", "lead-created", *home, b'{"event_id":"x","lead_id":"x","created_at":1e30}', "any"
    yield "a number for an id", "lead-created", *home, {"event_id": "x", "lead_id": 7, "created_at": 1767225600000}, "json.type"
    yield "a kind that nobody knows", "lead-activity", *home, {
        "event_id": "x", "lead_id": "L1", "kind": "TELEPATHY", "occurred_at": now_ms()}, "any"
    yield "an id of 300 bytes", "lead-created", *home, lead("x" * 300), "id.invalid"
    yield "a text of 900,000 bytes", "lead-created", *home, lead("huge", company="x" * 900_000), "value.range"
    yield "a policy that is broken", "policy-changed", *home, policy(BROKEN_POLICY), "policy.invalid"
    yield "a policy with another hash", "policy-changed", *home, policy("", "00" * 32), "policy.sha256"
    yield "a zone that is nowhere", "rep-changed", *home, {
        "event_id": "x", "rep_id": "ann", "active": True, "time_zone": "Mars/Base"}, "time_zone.unknown"
    yield "a territory below itself", "territory-changed", *home, {
        "event_id": "x", "territory_id": "all", "name": "All", "parent_id": "all"}, "territory.cycle"
    yield "a member that is no rep", "territory-changed", *home, {
        "event_id": "stranger", "territory_id": "mars", "name": "Mars",
        "rules": [{"all": [{"field": "country", "op": "IN", "values": ["MR"]}]}], "members": [{"rep_id": "nobody"}]}, None


def reference():
    yield "rep-changed", {"event_id": "r", "rep_id": "ann", "active": True}
    yield "territory-changed", {"event_id": "t", "territory_id": "all", "name": "All", "members": [{"rep_id": "ann"}]}


def strangers_lead():
    """A lead of a territory whose only member is unknown: it waits in the queue with a reason."""
    return lead("mars", country="MR")


def reasons():
    text = subprocess.run(["grep", "-oP", r'^\s+[A-Z0-9_]+ "\K[^"]+', str(wire.SCHEMAS.parent / "src/codec/error.rs")],
                          capture_output=True, text=True, check=True).stdout
    return set(text.split())


def judge(name, wanted, found, faults):
    if wanted is None and found:
        faults.append(f"{name}: set aside as {found}")
    elif wanted == "any" and (len(found) != 1):
        faults.append(f"{name}: {found or 'no dead letter'}")
    elif wanted not in (None, "any") and found != [wanted]:
        faults.append(f"{name}: {found or 'no dead letter'}, expected {wanted}")


def live(bootstrap, codec, faults):
    router = Router(bootstrap, instance="8", workers=1, group=PREFIX, topics=topics(PREFIX))
    router.command("topics", "apply", "--yes")
    out = wire.producer(bootstrap)

    def send(topic, key, partition, value):
        value = json.dumps(value).encode() if isinstance(value, dict) else value
        wire.send(out, PREFIX + topic, key, value, partition=partition)
        out.flush()
        return value

    for topic, value in reference():
        send(topic, DOMAIN.encode(), HOME, value)
    router.start()
    sent = {}
    for number, (name, topic, key, partition, value, wanted) in enumerate(cases(codec)):
        sent[name] = (topic, send(topic, key, partition, value), wanted)
        send("lead-created", DOMAIN.encode(), HOME, lead(f"good-{number}"))
    send("lead-created", DOMAIN.encode(), HOME, strangers_lead())

    def assigned():
        found = (codec.decode("lead-assigned", record[4]) for record in wire.read_all(bootstrap, PREFIX + "lead-assigned"))
        return {event["lead_id"]: event for event in found}

    until = time.monotonic() + 60
    while len(assigned()) < len(sent) + 1 and time.monotonic() < until:
        time.sleep(0.5)
    time.sleep(1)
    letters, closed = collections.defaultdict(list), reasons()
    for record in wire.read_all(bootstrap, PREFIX + "dead-letter"):
        headers = {name: (value or b"").decode() for name, value in record[5]}
        letters[(headers["__connect.errors.topic"], record[4])].append(headers["dlq.reason"])
    faults += [f"live, {found} is no reason" for found in {one for all_ in letters.values() for one in all_} - closed]
    for name, (topic, value, wanted) in sent.items():
        judge(f"live, {name}", wanted, letters.pop((PREFIX + topic, value), []), faults)
    faults += [f"live, a dead letter too many: {key[0]} {found}" for key, found in letters.items()]
    routed = assigned()
    faults += [f"live, the good lead after {name!r} was not routed" for number, name in enumerate(sent)
               if routed.get(f"Lgood-{number}", {}).get("rep_id") != "ann"]
    waits = routed.get("Lmars", {})
    if (waits.get("outcome"), waits.get("reason")) != ("QUEUED", "no_rep_available"):
        faults.append(f"live, the lead of an unknown rep: {waits.get('outcome')} {waits.get('reason')}")
    if not router.alive():
        faults.append("live, the router has ended")
    code, _ = router.stop()
    if code != 0:
        faults.append(f"live, exit {code}")
    print(router.command("verify"), end="")
    return len(sent)


def through_pipe(codec, faults):
    lines, names = [], []

    def say(topic, key, value):
        lines.append(json.dumps({"topic": topic, "key": key, "timestamp": now_ms(), "value": value}))

    for topic, value in reference():
        say(topic, DOMAIN, value)
    for number, (name, topic, key, _, value, wanted) in enumerate(cases(codec)):
        if wanted == "key.partition" or (isinstance(value, bytes) and not value.isascii()):
            continue  # it has no partitions, and its lines are text
        if isinstance(value, bytes):
            lines.append('{"topic":"%s","key":"%s","timestamp":%d,"value":%s}' % (topic, DOMAIN, now_ms(), value.decode()))
        else:
            say(topic, key and key.decode(), value)
        names.append((name, wanted, len(lines)))
        say("lead-created", DOMAIN, lead(f"good-{number}"))
    say("lead-created", DOMAIN, strangers_lead())
    done = subprocess.run([BINARY, "pipe"], input="\n".join(lines) + "\n", capture_output=True, text=True)
    answers, caused = collections.defaultdict(list), []
    for answer in map(json.loads, done.stdout.splitlines()):
        if "ack" in answer:
            answers[answer["ack"]], caused = caused, []
        else:
            caused.append(answer)
    for name, wanted, line in names:
        found = [a["headers"]["dlq.reason"] for a in answers[line] if a["topic"] == "lead-router.dead-letter"]
        judge(f"pipe, {name}", wanted, found, faults)
        rep = [a["value"]["rep_id"] for a in answers[line + 1] if a["topic"] == "lead-assigned"]
        if rep != ["ann"]:
            faults.append(f"pipe, the good lead after {name!r} was not routed: {rep}")
    if done.returncode != 0 or len(answers) != len(lines):
        faults.append(f"pipe, exit {done.returncode}, {len(answers)} of {len(lines)} lines acknowledged")
    return len(names)


def refused(words, text, expected, faults):
    """The file is refused, and every line that is expected is in what it says."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([BINARY, *words, file.name], input="", capture_output=True, text=True)
    if done.returncode != 78:
        faults.append(f"{' '.join(words)}: exit {done.returncode}")
    faults += [f"{' '.join(words)}: does not say {line!r}:\n{done.stderr}" for line in expected if line not in done.stderr]


def main():
    codec, faults = wire.Wire(), []
    count = live(sys.argv[1], codec, faults)
    piped = through_pipe(codec, faults)
    refused(["run", "--config"], 'group = 3\ninstanc = "x"\n[kafka]\nsession_timeout_ms = "x"\n[topics]\npartitions = 0\n', [
        ":1: group: expected a text", ":2: instanc: unknown key; did you mean instance?",
        ":4: kafka.session_timeout_ms: expected a whole number", ":6: topics.partitions: expected a whole number"], faults)
    refused(["pipe", "--policy"], BROKEN_POLICY, [
        "line 2: choice.method: expected one of", "line 4: sla.standard.target_secs: expected a whole number"], faults)
    print(f"{count} bad records live and {piped} through pipe, two broken files")
    fail(faults)


if __name__ == "__main__":
    main()
