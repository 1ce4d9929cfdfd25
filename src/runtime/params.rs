//! The parameters of a question. One that does not exist is a fault and not overlooked: who writes `?rep_id=`
//! would take the answer about all reps for one about this rep.

use super::refusal::Refusal;

/// Parameters with a value, each known and said once. An empty value is none.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// `known`: those that exist.
    pub(super) fn check(asked: Vec<(String, String)>, known: &[&str]) -> Result<Params, Refusal> {
        for (at, (name, _)) in asked.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let there_are = match known {
                    [] => "there are none here".to_owned(),
                    _ => format!("there are: {}", known.join(", ")),
                };
                let why = format!("there is no parameter {name:?}; {there_are}");
                return Err(Refusal::Parameter(why));
            }
            if asked.iter().take(at).any(|(other, _)| other == name) {
                return Err(Refusal::Parameter(format!("{name} is given twice: give it once")));
            }
        }
        Ok(Params(asked.into_iter().filter(|(_, value)| !value.is_empty()).collect()))
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    /// `limit`, from 1 to `most`.
    pub(super) fn limit(&self, usual: usize, most: usize) -> Result<usize, Refusal> {
        let Some(text) = self.text("limit") else { return Ok(usual) };
        match text.parse() {
            Ok(limit) if (1..=most).contains(&limit) => Ok(limit),
            _ => {
                let why = format!("limit is a whole number from 1 to {most}, not {text:?}");
                Err(Refusal::Parameter(why))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asked: &[(&str, &str)], known: &[&str]) -> Result<Params, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Params::check(asked.iter().map(owned).collect(), known).map_err(|refusal| match refusal {
            Refusal::Parameter(why) => why,
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn what_does_not_exist_or_is_said_twice_is_told_with_what_exists() {
        let why = check(&[("rep", "ann"), ("rep_id", "ann")], &["rep", "class"]).unwrap_err();
        assert_eq!(why, "there is no parameter \"rep_id\"; there are: rep, class");
        let why = check(&[("rep", "ann")], &[]).unwrap_err();
        assert_eq!(why, "there is no parameter \"rep\"; there are none here");
        let why = check(&[("rep", "ann"), ("rep", "")], &["rep"]).unwrap_err();
        assert_eq!(why, "rep is given twice: give it once");
        let params = check(&[("rep", "ann"), ("class", "")], &["rep", "class"]).unwrap();
        assert_eq!((params.text("rep").as_deref(), params.text("class")), (Some("ann"), None));
    }

    #[test]
    fn a_limit_has_bounds() {
        let limit = |text: &str| {
            let params = check(&[("limit", text)], &["limit"]).unwrap();
            params.limit(50, 1_000).ok()
        };
        assert_eq!(["", "1", "1000"].map(limit), [Some(50), Some(1), Some(1_000)]);
        for text in ["0", "1001", "-1", "1.5", "all", "99999999999999999999999"] {
            assert_eq!(limit(text), None, "{text}");
        }
    }
}
