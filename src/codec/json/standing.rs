//! Who wins what, as JSON: for the read side and the filter. Nobody reads it back.

use serde_json::{Value, json};

use crate::domain::win_rate::Standing;

/// A rep in one part of the segment.
pub fn standing(it: &Standing) -> Value {
    json!({
        "segment": it.level,
        "rep_id": it.rep_id.as_str(),
        "rep_name": it.rep_name,
        "deals": it.deals,
        "won": it.won,
        "rate": (it.deals > 0).then(|| it.rate()),
        "win_probability": {
            "mean": it.estimate.mean, "low": it.estimate.low, "high": it.estimate.high,
        },
        "team": it.team.mean,
        "amount": it.worth,
        "place": it.place.map(|place| place.at),
        "of": it.place.map(|place| place.of),
        "thin": it.evidence.thin,
        "router": it.router(),
    })
}
