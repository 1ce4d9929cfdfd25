//! All rows, in their order: which leads there are, and what could not be read.

use std::collections::{BTreeMap, HashSet};

use super::row::{Lead, Row, Said, Stage};
use super::tally::Tally;
use super::{Mapping, USABLE_MIN};
use crate::evaluate::report::{Outcomes, Read};

/// Stages that are told.
const STAGES: usize = 12;

pub(super) struct Rows<'a> {
    mapping: &'a Mapping,
    leads: Vec<Lead>,
    ids: HashSet<String>,
    stages: BTreeMap<String, (Stage, u64)>,
    rows: u64,
    refused: u64,
    unusable: Tally,
    left_out: Tally,
    outcomes: Outcomes,
}

impl<'a> Rows<'a> {
    pub(super) fn new(mapping: &'a Mapping) -> Rows<'a> {
        Rows {
            mapping,
            leads: Vec::new(),
            ids: HashSet::new(),
            stages: BTreeMap::new(),
            rows: 0,
            refused: 0,
            unusable: Tally::default(),
            left_out: Tally::default(),
            outcomes: Outcomes::default(),
        }
    }

    pub(super) fn add(&mut self, row: Row) {
        let Row { line, stage, stage_text, said } = row;
        self.stages.entry(stage_text).or_insert((stage, 0)).1 += 1;
        match said.and_then(|said| self.first(said, line)) {
            Ok((lead, is_lost)) => {
                self.rows += 1;
                self.leads.push(lead);
                if is_lost {
                    self.lose(stage);
                }
            }
            Err(why) => {
                self.lose(stage);
                self.refuse(why, line);
            }
        }
    }

    /// The lead, if no row above is of the same; and whether how it ended is lost.
    fn first(&mut self, said: Said, line: u64) -> Result<(Lead, bool), String> {
        if !self.ids.insert(said.id) {
            return Err(format!("`{}` is that of a row above", self.mapping.lead.lead_id));
        }
        said.left_out.into_iter().for_each(|why| self.left_out.note(why, line));
        Ok((said.lead?, said.is_lost))
    }

    /// A row that stands for no lead.
    pub(super) fn refuse(&mut self, why: String, line: u64) {
        self.rows += 1;
        self.refused += 1;
        self.unusable.note(why, line);
    }

    /// How a lead ended is not known, though its row says so.
    fn lose(&mut self, stage: Stage) {
        self.outcomes.won += u64::from(stage == Stage::Won);
        self.outcomes.lost += u64::from(stage == Stage::Lost);
    }

    /// All leads, and what was read; or why the file is not what the mapping says.
    pub(super) fn finish(self) -> Result<(Vec<Lead>, Read), Vec<String>> {
        let mut faults = self.absent_stages();
        let told = self.unusable.told();
        if ((self.rows - self.refused) as f64) < USABLE_MIN * self.rows as f64 {
            let (refused, rows) = (self.refused, self.rows);
            faults.push(format!("{refused} of {rows} rows cannot be used: is the mapping right?"));
            faults.extend(told.iter().map(|kind| format!("  {kind}")));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut notes = vec![self.told_stages()];
        notes.extend(self.left_out.told());
        let read = Read {
            lines: self.rows,
            unusable: self.refused,
            faults: told,
            notes,
            outcomes_left_out: self.outcomes,
            ..Read::default()
        };
        Ok((self.leads, read))
    }

    /// A name of the mapping that no row has is misspelt: its wins or losses would count as open.
    fn absent_stages(&self) -> Vec<String> {
        let deal = &self.mapping.deal;
        let all = [("deal.won", &deal.won), ("deal.lost", &deal.lost)];
        let absent = |(key, names): (&str, &Vec<String>)| {
            let occurs =
                |name: &String| self.stages.keys().any(|stage| stage.eq_ignore_ascii_case(name));
            let why = "no row has a stage that the mapping names";
            (!names.iter().any(occurs)).then(|| format!("{key}: {why}; {}", self.told_stages()))
        };
        all.into_iter().filter_map(absent).collect()
    }

    /// Which stages there are, and what each is taken for.
    fn told_stages(&self) -> String {
        let mut stages: Vec<(&String, &(Stage, u64))> = self.stages.iter().collect();
        stages.sort_by_key(|(_, (_, rows))| std::cmp::Reverse(*rows));
        let tell = |(text, (stage, rows)): &(&String, &(Stage, u64))| {
            let what = match stage {
                Stage::Won => "won",
                Stage::Lost => "lost",
                Stage::Open => "open",
            };
            let text = if text.is_empty() { "(empty)" } else { text };
            format!("{text} = {what} ({rows})")
        };
        let told: Vec<String> = stages.iter().take(STAGES).map(tell).collect();
        let more = if stages.len() > STAGES { ", …" } else { "" };
        format!("stages: {}{more}", told.join(", "))
    }
}
