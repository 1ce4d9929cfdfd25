//! The live page at `/`, and the JSON that it asks for. One file without outside parts, so that it
//! works on a machine without a network; it only reads.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use axum::{Json, Router, routing::get};

use super::board::Board;

const PAGE: &str = include_str!("page.html");

/// Scripts and styles of the page itself and nothing else; data only from where it came.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
     connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

/// The routes of the page, to be merged into the endpoint.
pub fn routes(board: Arc<Board>) -> Router {
    Router::new().route("/", get(page)).route("/api/board", get(shown)).with_state(board)
}

async fn page() -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, Html(PAGE)).into_response()
}

async fn shown(State(board): State<Arc<Board>>) -> Response {
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (headers, Json(board.shown())).into_response()
}

#[cfg(test)]
mod tests {
    use super::PAGE;

    #[test]
    fn the_page_needs_nothing_from_outside() {
        for outside in ["http://", "https://", "//cdn", "@import", " src=", "<link"] {
            assert!(!PAGE.contains(outside), "{outside}");
        }
        assert!(!PAGE.contains("innerHTML"), "text from the log must never become markup");
    }
}
