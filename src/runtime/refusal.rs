//! What is said to a question that gets no answer: what is wrong with it, in one line, and what to do.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why a question gets no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No event of the domain has been read, or its shard is with another process.
    Domain(String),
    Lead(String),
    /// What is wrong with the parameters.
    Parameter(String),
    /// Others were asked before, and are not done.
    Busy,
    /// A fault of ours; it is in the log.
    Failed,
}

/// When it is worth asking again.
const RETRY_AFTER_SECS: &str = "5";

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Refusal::Domain(domain) => (
                StatusCode::NOT_FOUND,
                format!(
                    "domain {domain} is not known to this process: no event of it has come, or \
                     another process has its shard"
                ),
            ),
            Refusal::Lead(lead) => (
                StatusCode::NOT_FOUND,
                format!("lead {lead} is not known: no event of it has come, or it is long ended"),
            ),
            Refusal::Parameter(why) => (StatusCode::BAD_REQUEST, why),
            Refusal::Busy => {
                let busy =
                    "busy with earlier questions: ask again, for a smaller part if there is one\n";
                let later = [(header::RETRY_AFTER, RETRY_AFTER_SECS)];
                return (StatusCode::SERVICE_UNAVAILABLE, later, busy).into_response();
            }
            Refusal::Failed => {
                (StatusCode::INTERNAL_SERVER_ERROR, "failed to answer: see the log".to_owned())
            }
        };
        (status, text + "\n").into_response()
    }
}

const NOT_FOUND: &str = "nothing at this address: there are /metrics, /livez and /readyz; of `run`, \
     /domains/DOMAIN/ and reps, waiting, unstaffed, moves, rates, rates/page, sla, sla/page or leads/ID; \
     of `demo`, the page /\n";
const NOT_ALLOWED: &str = "this address is only read: use GET\n";

/// The same routes, which say what to do where the address or the method is not theirs.
pub fn explained(router: Router) -> Router {
    let not_allowed = || async { (StatusCode::METHOD_NOT_ALLOWED, NOT_ALLOWED) };
    router
        .method_not_allowed_fallback(not_allowed)
        .fallback(|| async { (StatusCode::NOT_FOUND, NOT_FOUND) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_is_told_when_to_come_again() {
        let answer = Refusal::Busy.into_response();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "5");
    }
}
