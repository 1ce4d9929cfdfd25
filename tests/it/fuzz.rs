//! The bounded run of what `fuzz/run` does without end: every target over its corpus, and mutations of it
//! for a moment. `LEAD_ROUTER_FUZZ_SECS` gives each target longer; `LEAD_ROUTER_WRITE_CORPUS` writes the seeds anew.

#[path = "../../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lead_router::codec::json::sha256_hex;
use lead_router::codec::{Encoder, Format, Record};
use serde_json::Value;

use super::malformed::cases::{Answer, table};
use targets::{TARGETS, Target};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/corpus").join(name);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("a corpus")
        .map(|entry| entry.expect("a file").path())
        .collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).expect("a file")).collect()
}

/// A small generator of our own: the same run for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % (most.max(1) as u64)) as usize
    }
}

const ODD: [&[u8]; 12] = [
    b"\0",
    b"\xff",
    b"\x80",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xfe\xff\xff\xff\x0f",
    b"\"",
    b"{",
    b"]",
    b"1e309",
    b"-0",
    b"null",
    b"\xc0\x80",
];

fn mutate(from: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = from[random.below(from.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 => bytes.truncate(at),
            3 => {
                let end = (at + random.below(8)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let odd = ODD[random.below(ODD.len())];
                bytes.splice(at..at, odd.iter().copied());
            }
            5 => {
                let other = &from[random.below(from.len())];
                let start = random.below(other.len() + 1);
                let end = (start + random.below(32)).min(other.len());
                bytes.splice(at..at, other[start..end].iter().copied());
            }
            _ => {
                let end = (at + random.below(16)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes.truncate(8_192);
    bytes
}

fn run(name: &str, target: Target) {
    let seeds = corpus(name);
    let secs = std::env::var("LEAD_ROUTER_FUZZ_SECS").ok().and_then(|it| it.parse().ok());
    let until = Instant::now() + Duration::from_secs_f64(secs.unwrap_or(0.5));
    let mut random = Random(0x5eed);
    let mut done = 0_u64;
    let mut each = |bytes: &[u8]| {
        done += 1;
        if catch_unwind(AssertUnwindSafe(|| target(bytes))).is_err() {
            panic!("{name} fails on {} bytes: {}", bytes.len(), bytes.escape_ascii());
        }
    };
    seeds.iter().for_each(|seed| each(seed));
    while Instant::now() < until {
        each(&mutate(&seeds, &mut random));
    }
    println!("{name}: {} seeds, {done} executions", seeds.len());
}

#[test]
fn no_target_fails_on_its_corpus_or_near_it() {
    for (name, target) in TARGETS {
        run(name, target);
    }
}

/// A seed for a target; large ones teach a fuzzer nothing.
type Seed = (&'static str, Vec<u8>);

fn seeds() -> Vec<Seed> {
    let mut seeds: Vec<Seed> = Vec::new();
    let table = table();
    for case in &table.cases {
        let Some(value) = case.value.clone().filter(|_| !case.what.starts_with("cut after")) else {
            continue;
        };
        if value.first() == Some(&b'{') {
            seeds.push(("json", value.clone()));
        }
        seeds.push(("frame", [&[case.topic.index() as u8][..], &value].concat()));
    }
    for answer in &table.answers {
        if let Answer::Avro(text) = answer {
            seeds.push(("schema", text.clone().into_bytes()));
        }
    }
    for (number, record) in (0_u8..).zip(Record::ALL) {
        seeds.push(("schema", record.embedded().text.as_bytes().to_vec()));
        let folder = root().join("schemas/examples").join(record.name());
        for entry in fs::read_dir(folder).expect("examples") {
            let text = fs::read(entry.expect("a file").path()).expect("a file");
            let value: Value = serde_json::from_slice(&text).expect("JSON");
            if let Ok(bytes) = Encoder::new(Format::SingleObject).value(record, &value) {
                seeds.push(("avro", [&[number][..], &bytes[10..]].concat()));
            }
            seeds.push(("json", text));
        }
    }
    let files = [
        ("policy", "src/demo/policy.toml"),
        ("mapping", "src/ingest/mapping/default.toml"),
        ("config", "deploy/compose.router.toml"),
        ("config", "deploy/router.example.toml"),
    ];
    for (name, path) in files {
        let text = fs::read_to_string(root().join(path)).expect("a file");
        seeds.push((name, text.replace("\n# ", "\n").into_bytes()));
        seeds.push((name, text.into_bytes()));
    }
    for file in ["cometd", "confluent", "pubsub", "redpanda", "others"] {
        let path = root().join(format!("tests/it/ingest/{file}.json"));
        let cases: Value = serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON");
        // The first record of each case, and no headers.
        for case in cases.as_array().into_iter().flatten() {
            let record = &case["steps"][0]["record"];
            let value = match record["value_base64"].as_str() {
                Some(packed) => STANDARD.decode(packed).expect("base64"),
                None => record["value_json"].to_string().into_bytes(),
            };
            seeds.push(("bridged", [&[0], &value[..]].concat()));
        }
    }
    let plain: [Seed; 4] = [
        ("bitmap", b"0x1C00000A\n7-0x3\nCompany".to_vec()),
        ("bitmap", b"0xffffffffffffffffffff\n".to_vec()),
        ("mapping", b"[objects.Lead]\nas = \"lead\"\n".to_vec()),
        ("frame", vec![0x80, 0, 0, 0, 0, 1, 2, b'e', 2, b'l', 0]),
    ];
    seeds.extend(plain);
    seeds
}

#[test]
fn the_corpus_covers_every_target() {
    if std::env::var_os("LEAD_ROUTER_WRITE_CORPUS").is_some() {
        let text = ["policy", "config", "mapping", "schema"];
        let fits =
            |(name, seed): &Seed| seed.len() < if text.contains(name) { 20_000 } else { 3_000 };
        for (name, seed) in seeds().into_iter().filter(fits) {
            let folder = root().join("fuzz/corpus").join(name);
            fs::create_dir_all(&folder).expect("a folder");
            let file = &sha256_hex(&seed)[..16];
            fs::write(folder.join(file), seed).expect("written");
        }
    }
    for (name, _) in TARGETS {
        assert!(corpus(name).len() >= 2, "{name}");
    }
}
