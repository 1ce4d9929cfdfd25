//! Who wins what, for people: of each rep in each part of the segment the deals, the plain rate, what the
//! model makes of it, and what follows for the choice. Worked out when it is asked for, from what the last
//! commit left; no decision ever looks here.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::HeaderValue;
use axum::response::Response;

use super::gate::Gate;
use super::params::Params;
use super::refusal::Refusal;
use super::routes::{Asked, ReadSide, a_page, written};
use super::view::View;
use crate::codec::json::standing;
use crate::domain::ids::RepId;
use crate::domain::win_rate::{Filter, Known, Standing, Status, Table, shared_id, standings};

const PAGE: &str = include_str!("rates.html");
/// Rows of the page; a browser is slow with tens of thousands.
const SHOWN: usize = 1_000;

/// Styles of the page itself, no script, nothing from outside.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

/// `GET /domains/{domain}/rates`.
pub(super) async fn rates(
    State(side): State<ReadSide>,
    Path(domain): Path<String>,
    Query(asked): Asked,
) -> Result<Response, Refusal> {
    let (filter, gate) = part(&side, asked)?;
    let rates = move |view: &View, domain: &str| json(&of(view, domain, &filter));
    Ok(written(side.ask(gate, &domain, rates).await?))
}

/// `GET /domains/{domain}/rates/page`.
pub(super) async fn page(
    State(side): State<ReadSide>,
    Path(domain): Path<String>,
    Query(asked): Asked,
) -> Result<Response, Refusal> {
    let (filter, gate) = part(&side, asked)?;
    let page = move |view: &View, domain: &str| html(domain, &filter, &of(view, domain, &filter));
    Ok(a_page(POLICY, side.ask(gate, &domain, page).await?))
}

/// Which part of the table is asked for, and the gate to it: a part is worked out soon and does not wait for the
/// whole.
fn part(side: &ReadSide, asked: Vec<(String, String)>) -> Result<(Filter, &Gate), Refusal> {
    let params = Params::check(asked, &["rep", "segment"])?;
    let rep_id = params.text("rep").map(|rep| RepId::new(&rep));
    let filter = Filter { rep_id, level: params.text("segment") };
    let whole = filter.rep_id.is_none() && filter.level.is_none();
    Ok((filter, if whole { &side.rates } else { &side.lists }))
}

/// A list, written row by row: as one value it would be many times as large as its text.
fn json(rows: &[Standing]) -> String {
    let rows: Vec<String> = rows.iter().map(|it| standing(it).to_string()).collect();
    format!("[{}]", rows.join(","))
}

fn of(view: &View, domain: &str, filter: &Filter) -> Vec<Standing> {
    let (blocks, deals) = (view.learned(domain), view.deals(domain));
    let reps = view.reps(domain);
    let Some(shared) = blocks.get(&shared_id()) else { return Vec::new() };
    let mut known: BTreeMap<RepId, Known<'_>> = BTreeMap::new();
    for (id, rep) in &reps {
        let status = if rep.active { Status::Active } else { Status::Inactive };
        let (name, hired_at) = (rep.name.as_deref(), rep.hired_at);
        known.insert(RepId::new(id), Known { block: None, name, hired_at, status });
    }
    for (id, block) in &blocks {
        known.entry(id.clone()).or_default().block = Some(block);
    }
    let table = Table {
        shared,
        deals: deals.iter().map(|deal| (&deal.0, &deal.1)).collect(),
        reps: known,
        territories: view.territories(domain),
        objective: view.objective(domain),
    };
    standings(&table, filter)
}

fn html(domain: &str, filter: &Filter, rows: &[Standing]) -> String {
    let body: String = rows.iter().take(SHOWN).map(line).collect();
    let none = "<tr><td colspan=11>Nothing is learned of this from closed deals yet.";
    let body = if body.is_empty() { none.to_owned() } else { body };
    let mut note = String::new();
    if rows.len() > SHOWN {
        note += &format!(
            "The first {SHOWN} of {} rows: choose a segment or a rep to see the others. ",
            rows.len()
        );
    }
    if filter.rep_id.is_some() || filter.level.is_some() {
        note += "A part of the table: <a href=\"page\">show all</a>.";
    }
    let page = PAGE.replace("{{domain}}", &text(domain)).replace("{{note}}", &note);
    page.replace("{{rows}}", &body)
}

fn line(it: &Standing) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let (low, high) = (it.estimate.low * 100.0, it.estimate.high * 100.0);
    let rate = if it.deals == 0 { "–".to_owned() } else { percent(it.rate()) };
    let place = it.place.map_or(String::new(), |place| format!("{} of {}", place.at, place.of));
    format!(
        "<tr><td class=w>{}<td class=w>{}<td class=n>{}<td class=n>{}<td class=n>{rate}<td class=n>{}<td \
         class=n>{}<td class=track><u style=\"left:{:.1}%\"></u><i \
         style=\"left:{low:.1}%;width:{:.1}%\"></i><b style=\"left:{:.1}%\"></b><td class=n>{} to \
         {}<td class=n>{:.2}<td>{}<br><small>{place}</small>",
        link("segment", &it.level, &it.segment()),
        rep(it),
        it.deals,
        it.won,
        percent(it.estimate.mean),
        percent(it.team.mean),
        it.team.mean * 100.0,
        (high - low).max(0.5),
        it.estimate.mean * 100.0,
        percent(it.estimate.low),
        percent(it.estimate.high),
        it.worth,
        it.router()
    )
}

/// The name, and the id in small print; without a name the id.
fn rep(it: &Standing) -> String {
    let id = it.rep_id.as_str();
    match &it.rep_name {
        Some(name) => format!("{}<br><small>{}</small>", link("rep", id, name), text(id)),
        None => link("rep", id, id),
    }
}

/// To the part of the table with this value.
fn link(name: &str, value: &str, label: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    let value: String = value.bytes().map(encode).collect();
    format!("<a href=\"?{name}={value}\">{}</a>", text(label))
}

/// Text that is no markup.
fn text(raw: &str) -> String {
    let escape = |c: char| match c {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '"' => "&quot;".to_owned(),
        '{' => "&#123;".to_owned(),
        c => c.to_string(),
    };
    raw.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::win_rate::{Estimate, Evidence, Place};

    fn row(rep: &str) -> Standing {
        let estimate = |mean| Estimate {
            mean,
            low: 0.1,
            high: 0.5,
            deals: 3,
            moved: 0.5,
            deviation: 0.1,
            own_deviation: 0.1,
        };
        Standing {
            rep_id: RepId::new(rep),
            rep_name: Some("Ann <Lee>".to_owned()),
            status: Status::Active,
            level: "industry=oil & gas".to_owned(),
            deals: 3,
            won: 3,
            estimate: estimate(0.3125),
            team: estimate(0.2071),
            worth: 1.0,
            place: Some(Place { at: 2, of: 2 }),
            evidence: Evidence { thin: false, moved: 0.5, factor: 1.0 },
        }
    }

    #[test]
    fn the_page_needs_nothing_and_shows_text_as_text() {
        for outside in ["http", "//", "@import", "<link", "<script", "url("] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
        let page = html("<acme>", &Filter::default(), &[]);
        assert!(page.contains("&lt;acme&gt;") && page.contains("Nothing is learned"));
        assert!(!page.contains("{{"));
        let page = html("acme", &Filter::default(), &[row("a\"<b")]);
        assert!(page.contains(">Ann &lt;Lee&gt;</a>") && page.contains("?rep=a%22%3Cb\""));
        assert!(page.contains("?segment=industry%3Doil%20%26%20gas\">industry=oil &amp; gas<"));
    }

    #[test]
    fn what_the_estimate_is_drawn_towards_is_shown() {
        let line = line(&row("ann"));
        let numbers = ["100.0 %", "31.2 %", "20.7 %"].map(|number| line.find(number));
        assert!(numbers.is_sorted() && numbers[0].is_some(), "{line}");
        assert!(line.contains("<u style=\"left:20.7%\">"), "{line}");
        assert!(line.contains("second choice<br><small>2 of 2"), "{line}");
    }

    #[test]
    fn without_deals_there_is_no_rate() {
        let line = line(&Standing { deals: 0, won: 0, ..row("ann") });
        assert!(line.contains("<td class=n>0<td class=n>0<td class=n>–<"), "{line}");
    }

    #[test]
    fn a_page_that_is_cut_says_so() {
        let rows = vec![row("ann"); SHOWN + 1];
        let page = html("acme", &Filter::default(), &rows);
        assert!(page.contains("The first 1000 of 1001 rows"));
        assert_eq!(page.matches("<tr><td").count(), SHOWN);
        let filter = Filter { rep_id: Some(RepId::new("ann")), level: None };
        let page = html("acme", &filter, &rows[..1]);
        assert!(page.contains("A part of the table") && !page.contains("The first"));
    }
}
