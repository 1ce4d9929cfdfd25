//! `cargo bench --bench territory`: the index that finds the winning territory, beside what others would write.
//!
//! All in one run and one thread, by its own CPU time, interleaved: medians of five rounds, with the spread.
//! The peers are given each lead as numbers. So is ours in its first line, the lead read and its values looked
//! up in the dictionary; the second is the product's own path from the fields of a lead. Leads come in groups
//! of which each has just been read, by the peers as well: in the router a lead was decoded a moment ago, so
//! what is waited for is the memory of the index, not that of the lead.
//! Before anything is measured, all must give the same answers, and again after random live changes.
//! `cargo bench --bench territory -- 100000` runs one size.

mod model;
mod peers;

use std::hint::black_box;
use std::time::{Duration, Instant};

use lead_router::domain::ids::{AccountId, TerritoryId};
use lead_router::domain::lead_fields::LeadFields;
use lead_router::domain::territory::{LeadView, Question, Territories};
use model::{Model, Random};
use peers::{Bitmaps, Buckets, Flat, Names, Peer, Row, Scan};
use rustix::time::{ClockId, clock_gettime};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 5;
const LEADS: usize = 20_000;
/// Leads of a group.
const GROUP: usize = 64;
const CHANGES: usize = 4_000;

fn main() {
    let wanted: Vec<usize> = std::env::args().filter_map(|it| it.parse().ok()).collect();
    let sizes = if wanted.is_empty() { vec![100, 1_000, 10_000, 100_000] } else { wanted };
    let mut lines = Vec::new();
    for size in sizes {
        lines.push((size, measure(size)));
    }
    if let (Some((small, first)), Some((large, last))) = (lines.first(), lines.last()) {
        println!("\nours at {large} over {small}: {:.1}x", last / first);
    }
}

/// A lead as each side wants it.
struct Lead {
    fields: LeadFields,
    accounts: Vec<AccountId>,
    flat: Flat,
}

/// The winner: named by an account, else by the rules.
fn winner<'i>(question: &Question<'i, '_, '_>, accounts: &[AccountId]) -> Option<&'i TerritoryId> {
    let named = if accounts.is_empty() { None } else { question.winner(accounts, true) };
    named.or_else(|| question.winner(accounts, false))
}

fn ours<'a>(index: &'a Territories, lead: &'a Lead) -> Option<&'a TerritoryId> {
    let view = LeadView::new(&lead.fields);
    winner(&index.ask(&view), &lead.accounts)
}

/// As the decision asks: with the territories that only priority or id kept from winning.
fn contenders(index: &Territories, lead: &Lead) -> usize {
    let (view, accounts) = (LeadView::new(&lead.fields), &lead.accounts);
    let question = index.ask(&view);
    let named = match accounts.is_empty() {
        true => 0,
        false => question.contenders(accounts, true).len(),
    };
    if named > 0 { named } else { question.contenders(accounts, false).len() }
}

fn measure(size: usize) -> f64 {
    let model = Model::new(size, 7);
    let mut names = Names::default();
    let rows: Vec<Row> =
        model.territories.iter().map(|(id, it)| names.row(id.as_str(), it)).collect();
    let mut random = Random(11);
    let leads: Vec<Lead> = (0..LEADS)
        .map(|_| {
            let fields = model.lead(&mut random);
            let accounts = model.chain(&fields);
            let flat = names.lead(&fields, &accounts);
            Lead { fields, accounts, flat }
        })
        .collect();

    let before = heap();
    let began = cpu();
    let mut index = Territories::new();
    for (id, definition) in &model.territories {
        index.replace(id, Some(definition.clone()));
    }
    let (built, bytes) = (cpu() - began, heap() - before);
    println!(
        "\n{size} territories: built in {:.1} ms, {:.0} bytes a territory",
        built.as_secs_f64() * 1_000.0,
        bytes as f64 / size as f64
    );

    let mut others: Vec<Box<dyn Peer>> = vec![
        Box::<Scan>::default(),
        Box::<Buckets>::default(),
        Box::new(Buckets::with_accounts()),
        Box::<Bitmaps>::default(),
    ];
    let mut build = Vec::new();
    for other in &mut others {
        let (before, began) = (heap(), cpu());
        other.build(&rows);
        build.push((cpu() - began, (heap() - before) as f64 / size as f64));
    }
    check(&model, &index, &others, &rows, &leads);
    let base = lookups(&index, &others, &leads, &build);
    updates(&model, &mut index, &mut others, &mut names, &leads);
    base
}

/// All give the same answers.
fn check(
    model: &Model,
    index: &Territories,
    others: &[Box<dyn Peer>],
    rows: &[Row],
    leads: &[Lead],
) {
    let ids: std::collections::HashMap<u64, &TerritoryId> =
        rows.iter().zip(&model.territories).map(|(row, (id, _))| (row.rank, id)).collect();
    let (mut matched, mut contending) = (0, 0);
    for lead in leads.iter().take(2_000) {
        let winner = ours(index, lead);
        for other in others {
            let theirs = other.winner(&lead.flat).map(|rank| ids[&rank]);
            assert_eq!(theirs, winner, "{} finds another territory", other.name());
        }
        matched += usize::from(winner.is_some());
        contending += contenders(index, lead);
    }
    println!(
        "2,000 leads checked, all alike: {:.1} % have a territory, {:.2} matches a lead",
        matched as f64 / 20.0,
        contending as f64 / 2_000.0
    );
}

fn lookups(
    index: &Territories,
    others: &[Box<dyn Peer>],
    leads: &[Lead],
    build: &[(Duration, f64)],
) -> f64 {
    let mut times = vec![Vec::new(); others.len() + 3];
    for _ in 0..ROUNDS {
        times[0].push(of_read(index, leads));
        times[1].push(per(leads, |lead| ours(index, lead).is_some()));
        times[2].push(per(leads, |lead| contenders(index, lead) > 0));
        for (at, other) in others.iter().enumerate() {
            // The slow ones see fewer leads.
            let some = if at < 2 { &leads[..leads.len() / 20] } else { leads };
            times[at + 3].push(per(some, |lead| other.winner(&lead.flat).is_some()));
        }
    }
    let times: Vec<(f64, f64)> = times.into_iter().map(spread).collect();
    let base = times[0].0;
    println!(
        "{:<46} {:>9} {:>8} {:>7} {:>10} {:>8}",
        "", "ns/lead", "± %", "ratio", "build ms", "B each"
    );
    let own = ["index", "index, from the lead's fields", "index, with the ambiguous ones"];
    for (name, (time, spread)) in own.into_iter().zip(&times) {
        println!("{name:<46} {time:>9.0} {spread:>8.1} {:>7.1}", time / base);
    }
    for ((other, (time, spread)), (built, bytes)) in others.iter().zip(&times[3..]).zip(build) {
        println!(
            "{:<46} {time:>9.0} {spread:>8.1} {:>7.1} {:>10.1} {bytes:>8.0}",
            other.name(),
            time / base,
            built.as_secs_f64() * 1_000.0
        );
    }
    base
}

/// One definition after another changes; after each, a lead is looked up that sees it.
fn updates(
    model: &Model,
    index: &mut Territories,
    others: &mut [Box<dyn Peer>],
    names: &mut Names,
    leads: &[Lead],
) {
    let mut random = Random(13);
    let mut now: Vec<_> = model.territories.clone();
    let mut changes = Vec::new();
    for _ in 0..CHANGES {
        let at = random.below(now.len());
        let (id, new) = model.change(at, &mut random);
        let old = names.row(id.as_str(), &now[at].1);
        let row = names.row(id.as_str(), &new);
        now[at].1 = new.clone();
        changes.push((id, new, old, row));
    }
    let mut each = Vec::with_capacity(CHANGES);
    let began = cpu();
    for (id, new, _, _) in &changes {
        let start = Instant::now();
        index.replace(id, Some(new.clone()));
        each.push(start.elapsed());
    }
    let mean = (cpu() - began).as_secs_f64() * 1e6 / CHANGES as f64;
    each.sort();
    let p = |share: f64| each[(CHANGES as f64 * share) as usize].as_secs_f64() * 1e6;
    println!(
        "update: mean {mean:.2} us, p50 {:.2}, p99 {:.2}, worst {:.1} us",
        p(0.5),
        p(0.99),
        p(0.9999)
    );
    for other in others.iter_mut() {
        let began = cpu();
        for (_, _, old, row) in &changes {
            other.remove(old);
            other.add(row);
        }
        let mean = (cpu() - began).as_secs_f64() * 1e6 / CHANGES as f64;
        println!("  {:<44} mean {mean:.2} us", other.name());
    }
    let rows: Vec<Row> = now.iter().map(|(id, it)| names.row(id.as_str(), it)).collect();
    let changed = Model { territories: now, ..model.clone() };
    check(&changed, index, others, &rows, leads);
}

/// CPU time a lead, in nanoseconds.
fn per(leads: &[Lead], mut find: impl FnMut(&Lead) -> bool) -> f64 {
    let mut all = Duration::ZERO;
    for group in leads.chunks(GROUP) {
        group.iter().for_each(touch);
        all += time(group, &mut find);
    }
    all.as_secs_f64() * 1e9 / leads.len() as f64
}

/// The same of the index alone, once the leads are read.
fn of_read(index: &Territories, leads: &[Lead]) -> f64 {
    let mut all = Duration::ZERO;
    for group in leads.chunks(GROUP) {
        let views: Vec<_> = group.iter().map(|lead| LeadView::new(&lead.fields)).collect();
        let asked: Vec<_> = views.iter().map(|view| index.ask(view)).collect();
        let read: Vec<_> = asked.iter().map(Question::read).zip(group).collect();
        group.iter().for_each(touch);
        all += time(&read, |(lead, of)| winner(lead, &of.accounts).is_some());
    }
    all.as_secs_f64() * 1e9 / leads.len() as f64
}

/// CPU time, without that of asking for it.
fn time<L>(leads: &[L], mut find: impl FnMut(&L) -> bool) -> Duration {
    let (before, began) = (cpu(), cpu());
    for lead in leads {
        black_box(find(black_box(lead)));
    }
    (cpu() - began).saturating_sub(began - before)
}

/// Reads what the matchers are given of a lead.
fn touch(lead: &Lead) {
    black_box(lead.flat.fold());
    let accounts = lead.accounts.iter().map(|id| id.as_str().len());
    black_box(accounts.sum::<usize>());
    black_box(lead.fields.clone());
}

/// The median, and how far the rounds lie apart in percent of it.
fn spread(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let median = times[times.len() / 2];
    (median, (times[times.len() - 1] - times[0]) / median * 50.0)
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Bytes in use.
fn heap() -> isize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated as isize - stats.bytes_deallocated as isize
}
