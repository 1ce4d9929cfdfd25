//! Who wins what, for people: of each rep in each part of the segment the deals, the plain rate, what the
//! model makes of it, and what follows for the choice. Worked out when it is asked for, from what the last
//! commit left; no decision ever looks here.

use std::collections::BTreeMap;

use axum::extract::{Path, Query, State};
use axum::http::HeaderValue;
use axum::response::Response;

use super::params::Params;
use super::refusal::Refusal;
use super::routes::{Asked, ReadSide, a_page, written};
use super::view::View;
use crate::codec::json::standing;
use crate::domain::ids::RepId;
use crate::domain::win_rate::{Filter, Known, Standing, Status, Table, shared_id, standings};

const PAGE: &str = include_str!("rates.html");

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
    let filter = filter(asked)?;
    let rates = move |view: &View, domain: &str| json(&of(view, domain, &filter));
    Ok(written(side.ask(&side.rates, &domain, rates).await?))
}

/// `GET /domains/{domain}/rates/page`.
pub(super) async fn page(
    State(side): State<ReadSide>,
    Path(domain): Path<String>,
    Query(asked): Asked,
) -> Result<Response, Refusal> {
    let filter = filter(asked)?;
    let page = move |view: &View, domain: &str| html(domain, &of(view, domain, &filter));
    Ok(a_page(POLICY, side.ask(&side.rates, &domain, page).await?))
}

fn filter(asked: Vec<(String, String)>) -> Result<Filter, Refusal> {
    let params = Params::check(asked, &["rep", "segment"])?;
    let rep_id = params.text("rep").map(|rep| RepId::new(&rep));
    Ok(Filter { rep_id, level: params.text("segment") })
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

fn html(domain: &str, rows: &[Standing]) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let line = |it: &Standing| {
        let (low, high) = (it.estimate.low * 100.0, it.estimate.high * 100.0);
        format!(
            "<tr><td>{}<td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td \
             class=track><i style=\"left:{low:.1}%;width:{:.1}%\"></i><b style=\"left:{:.1}%\"></b>\
             <td class=n>{} to {}<td class=n>{:.2}<td>{}",
            text(&it.segment()),
            rep(it),
            it.deals,
            it.won,
            percent(it.rate()),
            percent(it.estimate.mean),
            (high - low).max(0.5),
            it.estimate.mean * 100.0,
            percent(it.estimate.low),
            percent(it.estimate.high),
            it.worth,
            it.router()
        )
    };
    let body: String = rows.iter().map(line).collect();
    let none = "<tr><td colspan=10>No closed deals yet.";
    let body = if body.is_empty() { none.to_owned() } else { body };
    PAGE.replace("{{domain}}", &text(domain)).replace("{{rows}}", &body)
}

/// The name, and the id in small print; without a name the id.
fn rep(it: &Standing) -> String {
    let id = text(it.rep_id.as_str());
    match &it.rep_name {
        Some(name) => format!("{}<br><small>{id}</small>", text(name)),
        None => id,
    }
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

    #[test]
    fn the_page_needs_nothing_and_shows_text_as_text() {
        for outside in ["http", "//", "@import", "<link", "<script", "url("] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
        let page = html("<acme>", &[]);
        assert!(page.contains("&lt;acme&gt;") && page.contains("No closed deals yet"));
        assert!(!page.contains("{{"));
    }
}
