"""What bridges write about one change of a Salesforce record: the same change in every shape, by foreign code.

A change is an entity, a record's id, CREATE or UPDATE, and the fields by Salesforce's names; compound ones are dicts.
A shape answers with (key, value, headers) in bytes.
"""

import base64
import io
import json
import pathlib
import subprocess

import fastavro

SCHEMAS = pathlib.Path(__file__).resolve().parents[1] / "it" / "ingest" / "schemas"
PUBSUB, CONFLUENT = {"Lead": "7", "Opportunity": "9"}, {"Lead": "21"}


def schema(number):
    return fastavro.parse_schema(json.loads((SCHEMAS / f"{number}.avsc").read_text()))


READ = {number: schema(number) for number in ["7", "9", "21"]}


class Change:
    def __init__(self, entity, record, kind, body, number, at, user):
        self.entity, self.record, self.kind, self.body = entity, record, kind, body
        self.number, self.at, self.user = number, at, user

    def names(self):
        for name, value in self.body.items():
            yield from ([f"{name}.{part}" for part in value] if isinstance(value, dict) else [name])

    def header(self, fields):
        return {"entityName": self.entity, "recordIds": [self.record], "changeType": self.kind,
                "changeOrigin": "com/salesforce/api/rest/60.0", "transactionKey": f"tx-{self.number}", "sequenceNumber": 1,
                "commitTimestamp": self.at, "commitUser": self.user, "commitNumber": self.number,
                "changedFields": fields if self.kind == "UPDATE" else []}

    def flat(self):
        """Parts of compound fields at the top, as Confluent's and other rows have them."""
        row = {}
        for name, value in self.body.items():
            row.update(value if isinstance(value, dict) else {name: value})
        return row


def text(value):
    return json.dumps(value).encode()


def framed(number, value):
    out = io.BytesIO()
    out.write(b"\x00" + int(number).to_bytes(4, "big"))
    fastavro.schemaless_writer(out, READ[number], value)
    return out.getvalue()


def bitmaps(change, number):
    """The names of the changed fields as bits of their places, compound fields apart."""
    places = {field["name"]: (place, field["type"]) for place, field in enumerate(READ[number]["fields"])}
    top, nested = 0, []
    for name, value in change.body.items():
        place, kind = places[name]
        if not isinstance(value, dict):
            top |= 1 << place
            continue
        parts = [field["name"] for one in kind if isinstance(one, dict) for field in one["fields"]]
        nested.append(f"{place}-0x{sum(1 << parts.index(part) for part in value):02X}")
    return ([f"0x{top:02X}"] if top else []) + nested


def pubsub_header(change, number):
    header = change.header([])
    if change.kind == "UPDATE":
        header["changedFields"] = bitmaps(change, number)
    return {**header, "nulledFields": [], "diffFields": []}


def cometd(change):
    value = {"schema": "s", "payload": {**change.body, "ChangeEventHeader": change.header(list(change.names()))},
             "event": {"replayId": change.number}}
    return change.record.encode(), text(value), []


def pubsub(change):
    number = PUBSUB[change.entity]
    return None, framed(number, {**change.body, "ChangeEventHeader": pubsub_header(change, number)}), []


def redpanda(change):
    """Avro's JSON: a value of a union under the name of its type."""
    def tagged(value):
        if isinstance(value, dict):
            return {"com.sforce.eventbus.Address": {part: tagged(it) for part, it in value.items()}}
        return {{str: "string", bool: "boolean", float: "double"}[type(value)]: value}
    header = pubsub_header(change, PUBSUB[change.entity])
    return None, text({"ChangeEventHeader": header, **{name: tagged(it) for name, it in change.body.items()}}), []


def confluent(change):
    return {"Id": change.record, "ReplayId": str(change.number), "_ObjectType": f"{change.entity}ChangeEvent",
            "_EventType": "x", **change.flat(), "ChangeEventHeader": change.header(list(change.names()))}


def confluent_json(change):
    return None, text(confluent(change)), []


def confluent_envelope(change):
    return None, text({"schema": {"type": "struct", "fields": []}, "payload": confluent(change)}), []


def confluent_avro(change):
    return None, framed(CONFLUENT[change.entity], confluent(change)), []


def source_v2(change):
    headers = {"source.system": "salesforce", "source.entity": change.entity,
               "source.operation": {"CREATE": "INSERT"}.get(change.kind, change.kind),
               "source.transaction.key": f"tx-{change.number}", "source.sequence.number": "1",
               "source.commit.timestamp": str(change.at), "source.changed.fields": ",".join(change.flat())}
    return text({"Id": change.record}), text({"Id": change.record, **change.flat()}), list(headers.items())


def flattened(change):
    row = {"Id": change.record, **change.flat(), "_ObjectType": change.entity,
           "_EventType": {"CREATE": "created", "UPDATE": "updated"}[change.kind]}
    return change.record.encode(), text(row), [("sf.change.type", change.kind), ("sf.entity", change.entity)]


def debezium(change):
    before = None if change.kind == "CREATE" else {"Id": change.record, **{name: None for name in change.flat()}}
    value = {"before": before, "after": {"Id": change.record, **change.flat()}, "op": change.kind[0].lower(),
             "ts_ms": change.at, "source": {"table": change.entity}}
    return change.record.encode(), text(value), []


def camel(change):
    value = {"schema": {"type": "bytes", "optional": False}, "payload": base64.b64encode(text(change.body)).decode()}
    said = {"ChangeType": change.kind, "EntityName": change.entity, "RecordIds": json.dumps([change.record]),
            "CommitTimestamp": str(change.at)}
    return None, text(value), [(f"CamelHeader.CamelSalesforce{name}", it) for name, it in said.items()]


def row(change):
    """A row that was polled: of what has no change events."""
    headers = [("operation", "read"), ("sobject", change.entity), ("commit_timestamp", str(change.at))]
    return change.record.encode(), text({**change.body, "Id": change.record}), headers


# Those that say everything about a lead.
ALL = {it.__name__: it for it in [cometd, pubsub, redpanda, confluent_json, confluent_envelope, confluent_avro, source_v2,
                                  flattened, debezium, camel]}


def can_say(shape, change):
    """The Avro shapes need a schema that has the fields."""
    number = {pubsub: PUBSUB, redpanda: PUBSUB, confluent_avro: CONFLUENT}.get(shape)
    if number is None:
        return True
    fields = {field["name"] for field in READ[number[change.entity]]["fields"]} if change.entity in number else set()
    return set(change.flat() if shape is confluent_avro else change.body) <= fields


def as_filter(binary, domain, records):
    """What `ingest --pipe` says to each record (topic, time, key, value, headers), its acknowledgement last."""
    lines = []
    for offset, (topic, at, key, value, headers) in enumerate(records):
        line = {"topic": topic, "partition": 0, "offset": offset, "timestamp": at, "headers": headers}
        for name, it in ("key", key), ("value", value):
            packed = it is not None and base64.b64encode(it).decode()
            line |= {f"{name}_null": True} if it is None else {f"{name}_base64": packed}
        lines.append(json.dumps(line))
    done = subprocess.run([binary, "ingest", "--pipe", "--domain", domain, "--schemas", str(SCHEMAS)],
                          input="\n".join(lines), capture_output=True, text=True, check=True)
    said, answers = [], []
    for answer in map(json.loads, done.stdout.splitlines()):
        answers.append(answer)
        if "ack" in answer:
            said.append(answers)
            answers = []
    return said
