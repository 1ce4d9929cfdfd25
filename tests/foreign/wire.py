"""Reads and writes the router's topics from schemas/*.avsc alone: no code of the router.

Avro single-object encoding: C3 01, the schema's CRC-64-AVRO fingerprint (8 bytes, little-endian), the datum.
"""

import io
import json
import pathlib

import fastavro
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

SCHEMAS = pathlib.Path(__file__).resolve().parents[2] / "schemas"

RECORDS = {
    "lead-created": "Lead",
    "lead-updated": "LeadUpdated",
    "lead-activity": "LeadActivity",
    "opportunity-closed": "OpportunityClosed",
    "territory-changed": "Territory",
    "rep-changed": "Rep",
    "account-changed": "Account",
    "policy-changed": "Policy",
    "lead-assigned": "LeadAssigned",
    "sla-breached": "SlaBreached",
}
INPUTS = list(RECORDS)[:8]


def spread(schema):
    """apache's canonical form is fastavro's; the fingerprint is over it."""
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))


class Wire:
    """Encoders and decoders for every topic."""

    def __init__(self):
        self.schemas, self.prints = {}, {}
        for topic, record in RECORDS.items():
            raw = json.loads((SCHEMAS / f"{record}.avsc").read_text())
            self.schemas[topic] = fastavro.parse_schema(raw)
            self.prints[topic] = spread(raw)

    def encode(self, topic, value):
        out = io.BytesIO()
        out.write(b"\xc3\x01" + self.prints[topic])
        fastavro.schemaless_writer(out, self.schemas[topic], value)
        return out.getvalue()

    def decode(self, topic, data):
        if data[:10] != b"\xc3\x01" + self.prints[topic]:
            raise SystemExit(f"{topic}: a record that is not single-object encoded by our schema")
        body = io.BytesIO(data[10:])
        value = fastavro.schemaless_reader(body, self.schemas[topic], None)
        if body.read():
            raise SystemExit(f"{topic}: trailing bytes after the datum")
        return value


# librdkafka's lines about brokers that are away, by the hundred, while a test kills them.
QUIET = {"log_level": 2}


def producer(bootstrap):
    # Java's partitioner: all writers of topics in must agree on it.
    return Producer({
        **QUIET,
        "bootstrap.servers": bootstrap,
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "linger.ms": 5,
        "queue.buffering.max.messages": 1_000_000,
    })


def send(out, topic, key, data, **more):
    while True:
        try:
            return out.produce(topic, key=key, value=data, **more)
        except BufferError:
            out.poll(0.1)


def read_all(bootstrap, topic, isolation="read_committed"):
    """Every record of a topic up to its end now, as (partition, offset, timestamp, key, value, headers)."""
    client = Consumer({
        **QUIET,
        "bootstrap.servers": bootstrap,
        "group.id": "foreign-reader",
        "isolation.level": isolation,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    })
    partitions = client.list_topics(topic, timeout=30).topics[topic].partitions
    client.assign([TopicPartition(topic, p, 0) for p in partitions])
    open_partitions, records = set(partitions), []
    while open_partitions:
        for message in client.consume(1000, timeout=0.2):
            error = message.error()
            if error is not None:
                if error.name() == "_PARTITION_EOF":
                    open_partitions.discard(message.partition())
                    continue
                raise SystemExit(f"{topic}: {error}")
            records.append((message.partition(), message.offset(), message.timestamp()[1],
                            message.key(), message.value(), message.headers() or []))
    client.close()
    return records


def admin(bootstrap):
    return AdminClient({**QUIET, "bootstrap.servers": bootstrap})
