//! A log of one shard in files, read from beginning to end: topics in, and the state that is written on the
//! way and restored from. What has been read is not kept.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use lead_router::domain::input::Topic;
use lead_router::domain::time::{Span, Timestamp};
use lead_router::engine::ports::{
    AssignedShard, Committed, Event, Failure, Log, OutTopic, Outgoing, Part, Record, Result,
};

use crate::company::{DOMAIN, START};

/// Records that one poll delivers of a topic.
const POLLED: usize = 500;

fn file(directory: &Path, topic: Topic) -> PathBuf {
    directory.join(topic.name())
}

fn open(path: &Path) -> BufReader<File> {
    BufReader::with_capacity(1 << 20, File::open(path).expect("a file that was written before"))
}

/// Writes values, and how many of each topic there are.
pub(super) struct Writer {
    directory: PathBuf,
    files: Vec<BufWriter<File>>,
    counts: [i64; 9],
    bytes: usize,
}

impl Writer {
    pub(super) fn create(directory: &Path) -> Writer {
        let create = |topic| File::create(file(directory, topic)).map(BufWriter::new);
        let files = Topic::ALL.map(create).into_iter().collect::<std::io::Result<_>>();
        let directory = directory.to_owned();
        Writer { directory, files: files.expect("room for files"), counts: [0; 9], bytes: 0 }
    }

    pub(super) fn write(&mut self, topic: Topic, value: &[u8]) {
        put(&mut self.files[topic.index()], value);
        self.counts[topic.index()] += 1;
        self.bytes += value.len() + 4;
    }

    pub(super) fn finish(self) -> usize {
        self.files.into_iter().for_each(|mut file| file.flush().expect("room for files"));
        let counts: String = self.counts.iter().map(|count| format!("{count}\n")).collect();
        std::fs::write(self.directory.join("counts"), counts).expect("room for files");
        self.bytes
    }
}

fn put(file: &mut impl Write, bytes: &[u8]) {
    let size = (bytes.len() as u32).to_le_bytes();
    file.write_all(&size).and_then(|()| file.write_all(bytes)).expect("room for files");
}

/// The next value, or the end of the file.
fn take(file: &mut impl Read) -> Option<Vec<u8>> {
    let mut size = [0; 4];
    match file.read_exact(&mut size) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
        read => read.expect("our own file"),
    }
    let mut value = vec![0; u32::from_le_bytes(size) as usize];
    file.read_exact(&mut value).expect("our own file");
    Some(value)
}

/// The shard's topics and its state.
pub(super) struct Files {
    directory: PathBuf,
    lanes: Vec<Lane>,
    restores: bool,
    written: BufWriter<File>,
    state_end: i64,
    offsets: [Option<i64>; 9],
    metadata: String,
    assigned: bool,
}

struct Lane {
    file: BufReader<File>,
    next: i64,
    end: i64,
    paused: bool,
    told: bool,
}

impl Files {
    /// With the state of an earlier start, or from nothing.
    pub(super) fn open(directory: &Path, restores: bool) -> Files {
        let counts = std::fs::read_to_string(directory.join("counts")).expect("counts");
        let mut counts = counts.lines().map(|line| line.parse::<i64>().expect("a count"));
        let lanes = Topic::ALL.map(|topic| Lane {
            file: open(&file(directory, topic)),
            next: 0,
            end: counts.next().expect("nine topics"),
            paused: false,
            told: false,
        });
        let written = if restores { "state after" } else { "state" };
        let mut files = Files {
            directory: directory.to_owned(),
            lanes: lanes.into_iter().collect(),
            restores,
            written: BufWriter::new(File::create(directory.join(written)).expect("room")),
            state_end: 0,
            offsets: [None; 9],
            metadata: String::new(),
            assigned: false,
        };
        let leads = &mut files.lanes[Topic::LeadCreated.index()];
        match restores {
            true => files.reopen(),
            // The other half of the leads comes after the restore.
            false => leads.end /= 2,
        }
        files
    }

    /// As the group left it.
    fn reopen(&mut self) {
        let committed = self.directory.join("committed");
        let text = std::fs::read_to_string(committed).expect("a start before");
        let mut lines = text.lines();
        self.metadata = lines.next().expect("metadata").to_owned();
        for (lane, offset) in self.lanes.iter_mut().zip(lines) {
            lane.next = offset.parse().expect("an offset");
        }
        self.offsets = std::array::from_fn(|topic| Some(self.lanes[topic].next));
        let leads = &mut self.lanes[Topic::LeadCreated.index()];
        (0..leads.next).for_each(|_| _ = take(&mut leads.file));
    }

    pub(super) fn finish(&mut self) {
        self.written.flush().expect("room for files");
        let offsets = self.offsets.iter().map(|offset| format!("\n{}", offset.unwrap_or(0)));
        let text: String = std::iter::once(self.metadata.clone()).chain(offsets).collect();
        std::fs::write(self.directory.join("committed"), text).expect("room for files");
    }
}

impl Log for Files {
    fn poll(&mut self, _wait: Span, out: &mut Vec<Event>) -> Result<()> {
        if !self.assigned {
            self.assigned = true;
            let (start, end) =
                (|topic: usize| self.lanes[topic].next, |topic: usize| self.lanes[topic].end);
            let (start, end) = (std::array::from_fn(start), std::array::from_fn(end));
            out.push(Event::Assigned(vec![AssignedShard { shard: 0, start, end }]));
        }
        for (topic, lane) in Topic::ALL.into_iter().zip(&mut self.lanes) {
            if lane.paused {
                continue;
            }
            let part = Part { topic, shard: 0 };
            for _ in 0..POLLED.min((lane.end - lane.next) as usize) {
                let value = take(&mut lane.file).expect("as many values as were counted");
                let timestamp = Timestamp(START.0 + 1_000 * topic.index() as i64);
                let (key, value) = (Some(DOMAIN.as_bytes().to_vec()), Some(value));
                let (offset, headers) = (lane.next, Vec::new());
                out.push(Event::Record(Record { part, offset, timestamp, key, value, headers }));
                lane.next += 1;
            }
            if lane.next == lane.end && !lane.told {
                lane.told = true;
                out.push(Event::Reached(part));
            }
        }
        Ok(())
    }

    fn pause(&mut self, part: Part) -> Result<()> {
        self.lanes[part.topic.index()].paused = true;
        Ok(())
    }

    fn resume(&mut self, part: Part) -> Result<()> {
        self.lanes[part.topic.index()].paused = false;
        Ok(())
    }

    fn seek(&mut self, _to: &[(Part, i64)]) -> Result<()> {
        Err(Failure::Fatal("the files are read once, from the beginning to the end".to_owned()))
    }

    fn ends(&mut self, parts: &[Part]) -> Result<Vec<i64>> {
        Ok(parts.iter().map(|part| self.lanes[part.topic.index()].end).collect())
    }

    fn offsets_at(&mut self, parts: &[Part], _time: Timestamp) -> Result<Vec<i64>> {
        Ok(vec![0; parts.len()])
    }

    fn committed(&mut self, _shard: i32) -> Result<Committed> {
        Ok(Committed { offsets: self.offsets, metadata: self.metadata.clone() })
    }

    fn restore(&mut self, _shard: i32, each: &mut dyn FnMut(&[u8], Option<&[u8]>)) -> Result<i64> {
        if !self.restores {
            return Ok(0);
        }
        let mut file = open(&self.directory.join("state"));
        while let (Some(key), Some(value)) = (take(&mut file), take(&mut file)) {
            each(&key, Some(&value).filter(|value| !value.is_empty()).map(Vec::as_slice));
            self.state_end += 1;
        }
        Ok(self.state_end)
    }

    fn state_end(&mut self, _shard: i32) -> Result<i64> {
        Ok(self.state_end)
    }

    fn owns(&mut self, shards: &[i32]) -> bool {
        shards == [0]
    }

    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    fn send(&mut self, record: Outgoing) -> Result<()> {
        if record.topic == OutTopic::State {
            put(&mut self.written, &record.key.unwrap_or_default());
            put(&mut self.written, &record.value.unwrap_or_default());
            self.state_end += 1;
        }
        Ok(())
    }

    fn send_offsets(&mut self, offsets: &[(Part, i64, String)]) -> Result<()> {
        for (part, offset, metadata) in offsets {
            self.offsets[part.topic.index()] = Some(*offset);
            self.metadata.clone_from(metadata);
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<()> {
        Ok(())
    }

    fn abort(&mut self) -> Result<()> {
        Err(Failure::Fatal("nothing here aborts".to_owned()))
    }

    fn recreate(&mut self) -> Result<()> {
        Ok(())
    }
}
