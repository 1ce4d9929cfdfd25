//! The addresses of the read side. All that costs more with more state goes through a gate: the probes are
//! served by the same thread.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use super::gate::Gate;
use super::params::Params;
use super::rates;
use super::refusal::Refusal;
use super::sla_table::Question;
use super::view::View;

/// Leads that one answer lists, unless it is asked for another number, and at most.
const LISTED: usize = 1_000;
const LISTED_MOST: usize = 100_000;
/// Rows of each list of the SLA table.
const ROWS: usize = 50;
const ROWS_MOST: usize = 1_000;
/// How many there are, where an answer lists only the first.
const TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");
/// The page on the table of SLA state: it asks for the JSON beside it.
const SLA_PAGE: &str = include_str!("sla.html");
/// Script and styles of the page itself and nothing else; data and forms only where it came from.
const SLA_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
     connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
);

/// The parameters of an address as they came.
pub(super) type Asked = Query<Vec<(String, String)>>;

/// What the addresses are served from.
#[derive(Clone, Default)]
pub(super) struct ReadSide {
    view: Arc<View>,
    pub(super) lists: Gate,
    /// Apart: the whole table of win rates may take seconds, and who looks at the SLA asks every other second.
    pub(super) rates: Gate,
}

impl ReadSide {
    /// The answer about a domain that is known here.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        gate: &Gate,
        domain: &str,
        question: impl FnOnce(&View, &str) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        self.known(domain)?;
        let (view, domain) = (Arc::clone(&self.view), domain.to_owned());
        gate.work(move || question(&view, &domain)).await
    }

    pub(super) fn known(&self, domain: &str) -> Result<(), Refusal> {
        let known = self.view.knows(domain);
        if known { Ok(()) } else { Err(Refusal::Domain(domain.to_owned())) }
    }
}

/// `GET /domains/{domain}/leads/{id}`, `…/reps`, `…/waiting` (`?limit=`), `…/unstaffed`, `…/moves`, `…/sla` (`?rep=`,
/// `?class=`, `?limit=`) and `…/sla/page`, `…/rates` and `…/rates/page` (`?rep=`, `?segment=`).
pub fn router(view: Arc<View>) -> Router {
    routes(ReadSide { view, ..ReadSide::default() })
}

fn routes(read_side: ReadSide) -> Router {
    Router::new()
        .route("/domains/{domain}/leads/{id}", get(lead))
        .route("/domains/{domain}/reps", get(reps))
        .route("/domains/{domain}/waiting", get(waiting))
        .route("/domains/{domain}/unstaffed", get(unstaffed))
        .route("/domains/{domain}/moves", get(moves))
        .route("/domains/{domain}/sla", get(sla))
        .route("/domains/{domain}/sla/page", get(sla_page))
        .route("/domains/{domain}/rates", get(rates::rates))
        .route("/domains/{domain}/rates/page", get(rates::page))
        .with_state(read_side)
}

/// JSON that was written where it was worked out: writing it is a part of the work.
pub(super) fn written(json: String) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], json).into_response()
}

/// A page, with what its parts may do.
pub(super) fn a_page(policy: HeaderValue, html: impl Into<axum::body::Body>) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Html(html.into())).into_response()
}

type Answer = Result<Response, Refusal>;

async fn lead(
    State(side): State<ReadSide>,
    Path((domain, id)): Path<(String, String)>,
    Query(asked): Asked,
) -> Answer {
    Params::check(asked, &[])?;
    side.known(&domain)?;
    let Some(lead) = side.view.lead(&domain, &id) else { return Err(Refusal::Lead(id)) };
    let answer = json!({
        "domain": domain,
        "lead_id": id,
        "phase": lead.phase,
        "assignment_no": lead.assignment_no,
        "rep_id": lead.rep_id,
        "queue_id": lead.queue_id,
        "territory_id": lead.territory_id,
        "reason": lead.reason,
        "decided_at": lead.decided_at_ms,
        "next_due_at": lead.next_due_at_ms,
        "touched_at": lead.touched_at_ms,
    });
    Ok(written(answer.to_string()))
}

async fn reps(
    State(side): State<ReadSide>,
    Path(domain): Path<String>,
    Query(asked): Asked,
) -> Answer {
    Params::check(asked, &[])?;
    let reps = |view: &View, domain: &str| {
        let row = |(id, rep): (String, super::view::RepView)| {
            json!({
                "rep_id": id, "name": rep.name, "active": rep.active, "paused": rep.paused,
                "weight": rep.weight,
            })
        };
        view.reps(domain).into_iter().map(row).collect::<Value>().to_string()
    };
    Ok(written(side.ask(&side.lists, &domain, reps).await?))
}

async fn waiting(
    State(side): State<ReadSide>,
    Path(domain): Path<String>,
    Query(asked): Asked,
) -> Answer {
    let limit = Params::check(asked, &["limit"])?.limit(LISTED, LISTED_MOST)?;
    let waiting = move |view: &View, domain: &str| {
        let mut all = view.waiting(domain);
        let total = all.len();
        all.truncate(limit);
        let row = |(id, lead): (String, super::view::LeadView)| {
            json!({
                "lead_id": id, "phase": lead.phase, "queue_id": lead.queue_id,
                "reason": lead.reason, "since_at": lead.decided_at_ms,
            })
        };
        (total, all.into_iter().map(row).collect::<Value>().to_string())
    };
    let (total, json) = side.ask(&side.lists, &domain, waiting).await?;
    let total = [(TOTAL_COUNT, HeaderValue::from(total))];
    Ok((total, written(json)).into_response())
}

async fn unstaffed(
    State(side): State<ReadSide>,
    Path(domain): Path<String>,
    Query(asked): Asked,
) -> Answer {
    Params::check(asked, &[])?;
    let unstaffed = |view: &View, domain: &str| {
        let row = |(id, count)| json!({ "territory_id": id, "members": count });
        view.unstaffed(domain).into_iter().map(row).collect::<Value>().to_string()
    };
    Ok(written(side.ask(&side.lists, &domain, unstaffed).await?))
}

async fn moves(
    State(side): State<ReadSide>,
    Path(domain): Path<String>,
    Query(asked): Asked,
) -> Answer {
    Params::check(asked, &[])?;
    let moves = |view: &View, domain: &str| {
        let row = |(cause, from, to, leads)| json!({ "cause": cause, "from": from, "to": to, "leads": leads });
        view.moves(domain).into_iter().map(row).collect::<Value>().to_string()
    };
    Ok(written(side.ask(&side.lists, &domain, moves).await?))
}

async fn sla(
    State(side): State<ReadSide>,
    Path(domain): Path<String>,
    Query(asked): Asked,
) -> Answer {
    let params = Params::check(asked, &["rep", "class", "limit"])?;
    let limit = params.limit(ROWS, ROWS_MOST)?;
    let question = Question { rep: params.text("rep"), class: params.text("class"), limit };
    let sla = move |view: &View, domain: &str| {
        view.sla(domain, &question, super::clock::now().0).to_string()
    };
    Ok(written(side.ask(&side.lists, &domain, sla).await?))
}

async fn sla_page(
    State(side): State<ReadSide>,
    Path(domain): Path<String>,
    Query(asked): Asked,
) -> Answer {
    // The script of the page asks with them.
    Params::check(asked, &["rep", "class", "limit"])?.limit(ROWS, ROWS_MOST)?;
    side.known(&domain)?;
    Ok(a_page(SLA_POLICY, SLA_PAGE))
}

#[cfg(test)]
mod tests;
