//! Long texts that come as a difference: Salesforce's unified diff by lines, whose second line has the SHA-256 of the
//! text that must come out.

use crate::codec::json::sha256_hex;

/// The text after the change; None if this is not the text that was changed.
pub(super) fn apply(old: &str, diff: &str) -> Option<String> {
    let mut lines = diff.split('\n').map(|line| line.trim_end_matches('\r'));
    lines.next().filter(|line| line.starts_with("---"))?;
    let hash = lines.next()?.strip_prefix("+++")?.trim();
    let body: Vec<&str> = lines.collect();
    // A browser makes \r\n of line breaks, an API leaves them as they are.
    let (own, other) = if old.contains("\r\n") { ("\r\n", "\n") } else { ("\n", "\r\n") };
    let old: Vec<&str> = old.split(own).collect();
    let new = patched(&old, &body)?;
    [own, other]
        .into_iter()
        .map(|breaks| new.join(breaks))
        .find(|text| sha256_hex(text.as_bytes()).eq_ignore_ascii_case(hash))
}

fn patched<'t>(old: &[&'t str], body: &[&'t str]) -> Option<Vec<&'t str>> {
    let mut new = Vec::with_capacity(old.len());
    let (mut at, mut left) = (0, (0, 0));
    for line in body {
        match (left, line.as_bytes().first()) {
            ((0, 0), Some(b'@')) => {
                let (start, gone, come) = hunk(line)?;
                new.extend(old.get(at..start)?);
                (at, left) = (start, (gone, come));
            }
            ((0, 0), _) if line.is_empty() => {}
            ((1.., _), Some(b'-')) if old.get(at) == line.get(1..).as_ref() => {
                at += 1;
                left.0 -= 1;
            }
            ((_, 1..), Some(b'+')) => {
                new.push(line.get(1..)?);
                left.1 -= 1;
            }
            ((1.., 1..), Some(b' ') | None) if *old.get(at)? == line.get(1..).unwrap_or("") => {
                new.push(old.get(at)?);
                at += 1;
                left = (left.0 - 1, left.1 - 1);
            }
            _ => return None,
        }
    }
    new.extend(old.get(at..)?);
    (left == (0, 0)).then_some(new)
}

/// `@@ -2,1 +2,1 @@`: where it begins, from 0, and how many lines go and come.
fn hunk(line: &str) -> Option<(usize, usize, usize)> {
    let mut words = line.strip_prefix("@@")?.split_whitespace();
    let mut range = |sign: char| {
        let word = words.next()?.strip_prefix(sign)?;
        let (start, count) = word.split_once(',').unwrap_or((word, "1"));
        Some((start.parse::<usize>().ok()?, count.parse::<usize>().ok()?))
    };
    let ((start, gone), (_, come)) = (range('-')?, range('+')?);
    // Where nothing goes, the line is the one before.
    let start = if gone == 0 { start } else { start.checked_sub(1)? };
    Some((start, gone, come))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(new: &str, hunks: &str) -> String {
        format!("--- \n+++ {}\n{hunks}", sha256_hex(new.as_bytes()))
    }

    #[test]
    fn lines_go_come_and_stay() {
        let old = "a\nb\nc\nd\ne";
        let new = "a\nB\nc\nd\ne\nf\ng";
        let hunks = "@@ -2,1 +2,1 @@\n-b\n+B\n@@ -5,1 +5,3 @@\n e\n+f\n+g";
        assert_eq!(apply(old, &diff(new, hunks)).as_deref(), Some(new));
        assert_eq!(apply(old, &diff(new, &format!("{hunks}\n"))).as_deref(), Some(new));
        let windows = |text: &str| text.replace('\n', "\r\n");
        let (old, new) = (windows(old), windows(new));
        assert_eq!(apply(&old, &diff(&new, &windows(hunks))).as_deref(), Some(&*new));
        let (old, new) = ("a\nb", "x\na");
        let hunks = "@@ -0,0 +1 @@\n+x\n@@ -2 +2,0 @@\n-b";
        assert_eq!(apply(old, &diff(new, hunks)).as_deref(), Some(new));
    }

    #[test]
    fn another_text_is_not_patched() {
        let good = diff("B", "@@ -1 +1 @@\n-b\n+B");
        assert_eq!(apply("b", &good).as_deref(), Some("B"));
        assert_eq!(apply("c", &good), None, "the line that goes is another");
        assert_eq!(apply("b\nx", &good), None, "the hash is another's");
        for broken in [
            "",
            "--- \n+++ 0a",
            "--- \n+++ 0a\n@@ -1 +1 @@\n-b",
            "--- \n+++ 0a\n@@ -9,1 +9,1 @@\n-b\n+B",
            "--- \n+++ 0a\n@@ -99999999999999999999 +1 @@",
            "--- \n+++ 0a\n-b",
            "--- \n+++ 0a\n@@ x @@",
        ] {
            assert_eq!(apply("b", broken), None, "{broken:?}");
        }
    }
}
