//! The rows of an export, read by one thread and understood by several: batches go to them in turn, and come
//! back in turn, so that the rows stay in order.

use std::panic::resume_unwind;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::row::{Row, Understanding};
use super::rows::Rows;
use super::{Columns, Mapping};
use crate::cli::backtest::progress::Progress;
use crate::domain::time::Timestamp;

/// Rows that go from thread to thread at once.
const BATCH: usize = 512;
/// Batches that may wait in a lane.
const WAITING: usize = 4;
/// More than so many threads have nothing to do: one reads, and one puts the rows together.
const LANES_MAX: usize = 8;
/// A text that runs over more lines than this is a quote that nobody closed.
const TEXT_LINES: u64 = 500;

/// A row by its line, or why it cannot be parted into its fields.
type Parted = (u64, Result<csv::StringRecord, String>);
type Understood = Result<Row, (u64, String)>;

/// Reads all rows.
pub(super) fn read<'m>(
    text: &[u8],
    mapping: &'m Mapping,
    now: Timestamp,
) -> Result<Rows<'m>, Vec<String>> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(mapping.format.delimiter as u8).from_reader(text);
    let heads = reader.headers().map_err(|fault| vec![fault.to_string()])?.clone();
    let understanding = Understanding::new(mapping, Columns::find(&heads, mapping)?, now);
    let understand = |(line, row): Parted| -> Understood {
        row.map(|row| understanding.row(&row, line)).map_err(|why| (line, why))
    };
    let lanes = thread::available_parallelism().map_or(1, |cores| cores.get().min(LANES_MAX));
    let mut rows = Rows::new(mapping);
    thread::scope(|scope| {
        let lane = |_| {
            let (to, parted) = sync_channel::<Vec<Parted>>(WAITING);
            let (understood, from) = sync_channel::<Vec<Understood>>(WAITING);
            let mut pass = parted.into_iter().map(|it| it.into_iter().map(understand).collect());
            scope.spawn(move || pass.try_for_each(|batch| understood.send(batch)));
            (to, from)
        };
        let (to, from): (Vec<_>, Vec<_>) = (0..lanes).map(lane).unzip();
        let parting = scope.spawn(move || part(&mut reader, text.len(), &to));
        for batch in from.iter().cycle().map_while(|lane| lane.recv().ok()) {
            for row in batch {
                match row {
                    Ok(row) => rows.add(row),
                    Err((line, why)) => rows.refuse(why, line),
                }
            }
        }
        parting.join().unwrap_or_else(|panic| resume_unwind(panic))
    })?;
    Ok(rows)
}

/// Hands out the rows of a text of so many bytes.
fn part(
    reader: &mut csv::Reader<&[u8]>,
    bytes: usize,
    lanes: &[SyncSender<Vec<Parted>>],
) -> Result<(), Vec<String>> {
    let mut progress = Progress::new("rows");
    for lane in lanes.iter().cycle() {
        let mut batch = Vec::with_capacity(BATCH);
        let mut is_end = false;
        while batch.len() < BATCH && !is_end {
            progress.one(|| Some(reader.position().byte() as f64 / bytes as f64));
            let line = reader.position().line();
            let mut row = csv::StringRecord::new();
            let read = reader.read_record(&mut row);
            let lines = reader.position().line() - line;
            if lines > TEXT_LINES {
                let end = line + lines;
                let why = "its quote is not closed";
                return Err(vec![format!("line {line}: a text runs to line {end}: {why}")]);
            }
            match read {
                Ok(true) => batch.push((line, Ok(row))),
                Ok(false) => is_end = true,
                Err(fault) => batch.push((line, Err(told(&fault)))),
            }
        }
        // Nobody takes it any more where a thread panicked; that is told when the scope ends.
        if lane.send(batch).is_err() || is_end {
            break;
        }
    }
    Ok(())
}

/// Why a row could not be parted into its fields.
fn told(fault: &csv::Error) -> String {
    match fault.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} fields, and the head has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is no UTF-8".to_owned(),
        _ => fault.to_string(),
    }
}
