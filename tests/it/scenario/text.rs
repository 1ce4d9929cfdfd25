//! The text of a scenario file: lines with their numbers, words with their quotes, times of day.

use lead_router::domain::time::Timestamp;

/// One line of the table, its expectations apart, and the block that is indented below it.
#[derive(Clone)]
pub(super) struct Line<'t> {
    pub(super) number: usize,
    pub(super) text: &'t str,
    pub(super) expected: Vec<String>,
    /// Whether it says what it causes, be it nothing; without a word the same is expected.
    pub(super) stated: bool,
    pub(super) block: String,
}

/// Lines without comments and blanks. Indented lines belong to the line above: those that begin with `->`
/// go on with its expectations, others are its block.
pub(super) fn lines(text: &str) -> Result<Vec<Line<'_>>, (usize, String)> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (number, whole) in (1..).zip(text.lines()) {
        let indented = whole.starts_with([' ', '\t']);
        let line = match indented && !whole.trim_start().starts_with("->") {
            true => whole,
            false => without_comment(whole),
        };
        if line.trim().is_empty() {
            continue;
        }
        if indented {
            let Some(above) = lines.last_mut() else {
                return Err((number, "an indented line belongs to one above it".to_owned()));
            };
            match line.trim_start().strip_prefix("->") {
                Some(more) => {
                    above.expected.extend(sentences(more));
                    above.stated = true;
                }
                None => {
                    above.block.push_str(line.trim());
                    above.block.push('\n');
                }
            }
            continue;
        }
        let arrow = find_outside_quotes(line, "->");
        let text = line[..arrow.unwrap_or(line.len())].trim();
        let expected = arrow.map_or_else(Vec::new, |at| sentences(&line[at + 2..]));
        let stated = arrow.is_some();
        lines.push(Line { number, text, expected, stated, block: String::new() });
    }
    Ok(lines)
}

fn without_comment(line: &str) -> &str {
    if line.starts_with('#') {
        return "";
    }
    find_outside_quotes(line, " #").map_or(line, |at| &line[..at])
}

/// `a; b` → both; `nothing` → none.
fn sentences(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let end = find_outside_quotes(rest, ";").unwrap_or(rest.len());
        let sentence = rest[..end].trim();
        if !sentence.is_empty() && sentence != "nothing" {
            found.push(sentence.to_owned());
        }
        match rest.get(end + 1..) {
            Some(more) => rest = more,
            None => return found,
        }
    }
}

fn find_outside_quotes(text: &str, what: &str) -> Option<usize> {
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            _ if !quoted && text[at..].starts_with(what) => return Some(at),
            _ => {}
        }
    }
    None
}

/// Words apart by blanks; a quote may begin anywhere in a word: `name="Acme Inc"`.
pub(super) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let (mut word, mut inside, mut quoted) = (String::new(), false, false);
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                inside = true;
            }
            c if c.is_whitespace() && !quoted => {
                if inside {
                    words.push(std::mem::take(&mut word));
                }
                inside = false;
            }
            c => {
                word.push(c);
                inside = true;
            }
        }
    }
    if quoted {
        return Err("a quote is not closed".to_owned());
    }
    if inside {
        words.push(word);
    }
    Ok(words)
}

/// Where the table's time stands. A date holds until the next one.
pub(super) struct Clock {
    date: String,
    pub(super) now: Timestamp,
}

impl Default for Clock {
    fn default() -> Clock {
        // A Monday.
        let date = "2026-01-05".to_owned();
        let now = Timestamp::parse_rfc3339("2026-01-05T00:00:00Z").expect("a time");
        Clock { date, now }
    }
}

impl Clock {
    /// Reads `at [DATE] TIME` off the front of the words.
    pub(super) fn advance(&mut self, words: &mut Vec<String>) -> Result<(), String> {
        if words.first().map(String::as_str) != Some("at") {
            return Ok(());
        }
        words.remove(0);
        let mut when = if words.is_empty() { String::new() } else { words.remove(0) };
        if is_date(&when) {
            self.date = when;
            when = if words.is_empty() { String::new() } else { words.remove(0) };
        }
        self.now = self.time(&when)?;
        if let Some(date) = self.now.to_string().get(..10) {
            self.date = date.to_owned();
        }
        Ok(())
    }

    /// `10:00`, `10:00:05.250`, `2026-01-06`, `2026-01-06T10:00`, `+15m`, `-2d`.
    pub(super) fn time(&self, text: &str) -> Result<Timestamp, String> {
        let fault =
            || format!("`{text}` is no time (10:00, 10:00:05, 2026-01-06T10:00, +15m, -2d)");
        if let Some(span) = text.strip_prefix(['+', '-']) {
            let millis = span_millis(span).ok_or_else(fault)?;
            let sign = if text.starts_with('-') { -1 } else { 1 };
            return Ok(Timestamp(self.now.0 + sign * millis));
        }
        let full = match text.split_once('T') {
            Some((date, time)) => format!("{date}T{}Z", with_seconds(time)),
            None if is_date(text) => format!("{text}T00:00:00Z"),
            None => format!("{}T{}Z", self.date, with_seconds(text)),
        };
        Timestamp::parse_rfc3339(&full).ok_or_else(fault)
    }

    /// A time as short as it can be said: that of the day, with the date if it is another day.
    pub(super) fn say(&self, millis: i64) -> String {
        let text = Timestamp(millis).to_string();
        let (date, time) = text.split_once('T').unwrap_or(("", &text));
        let time = time.trim_end_matches('Z');
        let time = time.strip_suffix(".000").unwrap_or(time);
        let time = if time.len() == 8 { time.strip_suffix(":00").unwrap_or(time) } else { time };
        if date == self.date { time.to_owned() } else { format!("{date}T{time}") }
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.as_bytes().get(4) == Some(&b'-')
}

fn with_seconds(time: &str) -> String {
    if time.len() == 5 { format!("{time}:00") } else { time.to_owned() }
}

fn span_millis(text: &str) -> Option<i64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let count: i64 = text[..unit].parse().ok()?;
    let one = match &text[unit..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(one)
}
