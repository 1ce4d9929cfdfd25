//! Who stands where: rows, places, and what is said of them.

use super::super::{Deal, learn};
use super::*;
use crate::domain::time::Span;

/// Reps with what their deals taught.
struct World {
    shared: Block,
    reps: BTreeMap<RepId, (Block, Status)>,
    deals: Vec<(RepId, Observation)>,
    territories: Vec<Vec<RepId>>,
}

impl World {
    fn new() -> World {
        World {
            shared: Block::default(),
            reps: BTreeMap::new(),
            deals: Vec::new(),
            territories: Vec::new(),
        }
    }

    /// So many deals, one an hour, of which those are won that `won` says.
    fn deals(&mut self, rep: &str, count: usize, won: impl Fn(usize) -> bool) {
        let id = RepId::new(rep);
        let (block, _) = self.reps.entry(id.clone()).or_insert((Block::default(), Status::Active));
        for number in 0..count {
            let industry = if number % 2 == 0 { "retail" } else { "software" };
            let deal = Deal {
                segment: &Segment { levels: vec![format!("industry={industry}")] },
                won: won(number),
                closed_at: Timestamp(1_700_000_000_000 + number as i64 * 3_600_000),
                age: None,
                tenure: None,
            };
            let observation = learn(&mut self.shared, block, &deal);
            self.deals.push((id.clone(), observation));
        }
    }

    /// Deals are kept 400 days.
    fn forget_deals_of(&mut self, rep: &str) {
        self.deals.retain(|(id, _)| id.as_str() != rep);
    }

    fn status(&mut self, rep: &str, status: Status) {
        self.reps.get_mut(&RepId::new(rep)).expect("a rep").1 = status;
    }

    fn territory(&mut self, members: &[&str]) {
        self.territories.push(members.iter().map(|rep| RepId::new(rep)).collect());
    }

    fn known(&self) -> BTreeMap<RepId, Known<'_>> {
        let mut all = BTreeMap::new();
        for (id, (block, status)) in &self.reps {
            let known = Known { block: Some(block), status: *status, ..Known::default() };
            all.insert(id.clone(), known);
        }
        all
    }

    fn rows(&self, filter: &Filter) -> Vec<Standing> {
        let table = Table {
            shared: &self.shared,
            deals: self.deals.iter().map(|(rep, deal)| (rep, deal)).collect(),
            reps: self.known(),
            territories: self.territories.clone(),
            objective: Objective::WinProbability,
        };
        standings(&table, filter)
    }

    /// At `all`: rep, place, and what is said.
    fn said(&self) -> Vec<(String, Option<(usize, usize)>, &'static str)> {
        let filter = Filter { rep_id: None, level: Some("all".to_owned()) };
        let place = |it: &Standing| it.place.map(|place| (place.at, place.of));
        let all = self.rows(&filter);
        all.iter().map(|it| (it.rep_id.to_string(), place(it), it.router())).collect()
    }
}

/// Four reps, the better the earlier in the alphabet.
fn four() -> World {
    let mut world = World::new();
    for (rep, every) in [("ann", 2), ("bob", 4), ("cid", 8), ("dan", 100)] {
        world.deals(rep, 120, |number| number / 2 % every == 0);
    }
    world
}

#[test]
fn each_rep_stands_at_every_level() {
    let mut world = World::new();
    world.deals("ann", 100, |number| number % 2 == 0);
    world.deals("bob", 100, |_| false);
    let all = world.rows(&Filter::default());
    let shown: Vec<(&str, &str, u64, u64, Option<usize>)> = all
        .iter()
        .map(|it| {
            let place = it.place.map(|place| place.at);
            (it.level.as_str(), it.rep_id.as_str(), it.deals, it.won, place)
        })
        .collect();
    let expected = [
        ("all", "ann", 100, 50, Some(1)),
        ("all", "bob", 100, 0, Some(2)),
        ("industry=retail", "ann", 50, 50, Some(1)),
        ("industry=retail", "bob", 50, 0, Some(2)),
        ("industry=software", "ann", 50, 0, Some(1)),
        ("industry=software", "bob", 50, 0, Some(2)),
    ];
    assert_eq!(shown, expected);
    let (first, second) = (&all[2], &all[3]);
    assert!(first.estimate.mean < 1.0 && first.estimate.mean > first.team.mean);
    assert!(second.estimate.mean > 0.0 && second.estimate.mean < second.team.mean);
    assert!(!first.evidence.thin);
}

#[test]
fn without_deals_there_is_nothing_to_see() {
    assert!(World::new().rows(&Filter::default()).is_empty());
}

#[test]
fn what_deals_taught_ranks_a_rep_when_they_are_forgotten() {
    let mut world = four();
    world.forget_deals_of("ann");
    let all = world.rows(&Filter::default());
    let ann = |level: &str| {
        let mut rows = all.iter().filter(|it| it.level == level && it.rep_id.as_str() == "ann");
        rows.next().expect("a row")
    };
    for level in ["all", "industry=retail", "industry=software"] {
        assert_eq!((ann(level).deals, ann(level).rate()), (0, 0.0));
        assert_eq!(ann(level).place, Some(Place { at: 1, of: 4 }));
    }
    assert_eq!(ann("all").estimate.deals, 120, "all of them stand behind the estimate");
    // With no deal left at all there is still a lead to ask about.
    ["bob", "cid", "dan"].iter().for_each(|rep| world.forget_deals_of(rep));
    let rows = world.rows(&Filter::default());
    let rows: Vec<(&str, &str)> =
        rows.iter().map(|it| (it.level.as_str(), it.rep_id.as_str())).collect();
    assert_eq!(rows, [("all", "ann"), ("all", "bob"), ("all", "cid"), ("all", "dan")]);
}

#[test]
fn only_active_reps_are_ranked() {
    let mut world = four();
    world.status("ann", Status::Gone);
    world.status("bob", Status::Inactive);
    let expected = [
        ("cid", Some((1, 2)), "first choice"),
        ("dan", Some((2, 2)), "second choice"),
        ("ann", None, "gone, or not known"),
        ("bob", None, "inactive"),
    ];
    assert_eq!(world.said(), expected.map(|(rep, place, said)| (rep.to_owned(), place, said)));
}

#[test]
fn a_place_is_among_those_who_share_a_territory() {
    let mut world = four();
    world.territory(&["ann", "bob"]);
    world.territory(&["cid", "nobody"]);
    // Dan is in none.
    let expected = [
        ("ann", Some((1, 2)), "first choice"),
        ("bob", Some((2, 2)), "second choice"),
        ("cid", Some((1, 1)), "only choice"),
        ("dan", Some((4, 4)), "later choice"),
    ];
    assert_eq!(world.said(), expected.map(|(rep, place, said)| (rep.to_owned(), place, said)));
}

#[test]
fn a_part_of_the_table_is_as_in_the_whole() {
    let mut world = four();
    world.territory(&["ann", "bob", "cid"]);
    let whole = world.rows(&Filter::default());
    let of = |rep: Option<&str>, level: Option<&str>| {
        let filter = Filter { rep_id: rep.map(RepId::new), level: level.map(str::to_owned) };
        let wanted = |it: &&Standing| {
            rep.is_none_or(|rep| it.rep_id.as_str() == rep)
                && level.is_none_or(|level| it.level == level)
        };
        (world.rows(&filter), whole.iter().filter(wanted).cloned().collect::<Vec<Standing>>())
    };
    let retail = Some("industry=retail");
    for (rep, level, rows) in [
        (Some("bob"), None, 3),
        (None, retail, 4),
        (Some("bob"), retail, 1),
        (Some("eve"), None, 0),
    ] {
        let (part, expected) = of(rep, level);
        assert_eq!(part.len(), rows);
        assert_eq!(part, expected);
    }
}

#[test]
fn who_has_no_deal_left_has_the_time_in_the_job_since_hired() {
    let mut world = four();
    world.forget_deals_of("ann");
    let hired_at = Timestamp(1_700_000_000_000 - Span::from_days(20).0);
    let ann = RepId::new("ann");
    let known = Known { block: Some(&world.reps[&ann].0), ..Known::default() };
    let table = |known| Table {
        shared: &world.shared,
        deals: world.deals.iter().map(|(rep, deal)| (rep, deal)).collect(),
        reps: [(ann.clone(), known)].into(),
        territories: Vec::new(),
        objective: Objective::WinProbability,
    };
    let tenure = |known| {
        let table = table(known);
        let reps = reps(&table, &table.deals);
        reps.iter().find(|rep| *rep.id == ann).map(|rep| rep.tenure)
    };
    assert_eq!(tenure(known), Some(tenure_feature(None)));
    let hired = Known { hired_at: Some(hired_at), ..known };
    assert_eq!(tenure(hired), Some(tenure_feature(Some(Span::from_days(25)))));
}
