//! A bulk export, row by row, as records of a first load: CSV with a line of names, a JSON list, or JSON lines.
//!
//! A row says what the record is, not what happened; what was said of it after the export counts more. Its time
//! is its own (`SystemModstamp`, else `LastModifiedDate`), else that of the export.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::mapping::Mapping;
use super::{RawRecord, values};
use crate::codec::error::{Error, Result, reason};
use crate::codec::json;

/// Reads an export of `object`. `as_of` is when it was made, `now` when it is read, in milliseconds.
pub fn records(
    text: &[u8],
    object: &str,
    mapping: &Mapping,
    as_of: i64,
    now: i64,
) -> Result<Vec<RawRecord>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let rows = match text.trim_ascii_start() {
        [b'[', ..] => list(text)?,
        [b'{', ..] => lines(text)?,
        _ => csv_rows(text, object, mapping)?,
    };
    let rows = rows.into_iter().enumerate();
    Ok(rows.map(|(place, row)| record(row, object, place, as_of, now)).collect())
}

fn list(text: &[u8]) -> Result<Vec<Map<String, Value>>> {
    let Value::Array(items) = json::parse(text)? else { return Ok(Vec::new()) };
    items.into_iter().enumerate().map(|(place, item)| object_of(item, place)).collect()
}

fn lines(text: &[u8]) -> Result<Vec<Map<String, Value>>> {
    // A REST answer holds its rows in `records`.
    if let Ok(Value::Object(mut answer)) = json::parse(text)
        && let Some(Value::Array(items)) = answer.remove("records")
    {
        return items.into_iter().enumerate().map(|(at, item)| object_of(item, at)).collect();
    }
    let rows = text.split(|byte| *byte == b'\n').enumerate();
    let rows = rows.filter(|(_, line)| !line.trim_ascii().is_empty());
    rows.map(|(place, line)| {
        let row = json::parse(line.trim_ascii());
        object_of(
            row.map_err(|error| Error { field: format!("line {}", place + 1), ..error })?,
            place,
        )
    })
    .collect()
}

fn object_of(item: Value, place: usize) -> Result<Map<String, Value>> {
    match item {
        Value::Object(row) => Ok(row),
        _ => {
            let field = format!("row {}", place + 1);
            Err(Error::new(reason::JSON_TYPE, field, "must be an object"))
        }
    }
}

/// Names may be in capitals, as some tools write them; a mapping's names win.
fn csv_rows(text: &[u8], object: &str, mapping: &Mapping) -> Result<Vec<Map<String, Value>>> {
    let unfit = |error: csv::Error| {
        let line = error.position().map_or(0, csv::Position::line);
        let detail = "is no CSV: rows of unlike length, or text that is no UTF-8";
        Error::new(reason::JSON_SYNTAX, format!("line {line}"), detail)
    };
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for source in mapping.object(object).iter().flat_map(|object| object.fields.values().flatten())
    {
        known.insert(source.to_ascii_lowercase(), source.clone());
        let child = source.rsplit('.').next().unwrap_or(source);
        known.entry(child.to_ascii_lowercase()).or_insert_with(|| child.to_owned());
    }
    let mut reader = csv::Reader::from_reader(text);
    let names = reader.headers().map_err(unfit)?.clone();
    let names: Vec<String> = names
        .iter()
        .map(|name| match name.to_ascii_lowercase().as_str() {
            "id" => "Id".to_owned(),
            "systemmodstamp" => "SystemModstamp".to_owned(),
            "lastmodifieddate" => "LastModifiedDate".to_owned(),
            lower => known.get(lower).cloned().unwrap_or_else(|| name.trim().to_owned()),
        })
        .collect();
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(unfit)?;
        let cells = names.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty());
        rows.push(cells.map(|(name, cell)| (name.clone(), Value::from(cell))).collect());
    }
    Ok(rows)
}

fn record(row: Map<String, Value>, object: &str, place: usize, as_of: i64, now: i64) -> RawRecord {
    let at = ["SystemModstamp", "LastModifiedDate"];
    let at = at.iter().find_map(|name| row.get(*name).and_then(values::instant)).unwrap_or(as_of);
    let header = |name: &str, value: String| (name.to_owned(), Some(value.into_bytes()));
    RawRecord {
        topic: "snapshot".to_owned(),
        partition: 0,
        offset: i64::try_from(place).unwrap_or(i64::MAX),
        timestamp: now,
        headers: vec![
            header("operation", "snapshot".to_owned()),
            header("sobject", object.to_owned()),
            header("committimestamp", at.to_string()),
        ],
        key: None,
        value: Some(Value::Object(row).to_string().into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Machine, Parser};

    const AT: i64 = 1_773_696_751_000;

    fn events(text: &str) -> Vec<Value> {
        let parser = Parser::default();
        let mut machine = Machine::default();
        let rows = records(text.as_bytes(), "Lead", &parser.mapping, AT, AT + 5_000).unwrap();
        let mut values = Vec::new();
        for row in rows {
            let change = parser.parse(&row).unwrap();
            let done = machine.apply("acme", &change).unwrap();
            values.extend(done.events.into_iter().map(|event| {
                assert_eq!(event.at.0, AT + 5_000, "published now");
                event.value
            }));
        }
        values
    }

    #[test]
    fn csv_and_json_say_the_same() {
        let csv = "ID,COMPANY,STREET,CITY,COUNTRY,STATUS,ANNUALREVENUE,Tier__c\n\
                   00Q5f00000AbCdEEAV,\"Acme, Inc\",,Ulm,Germany,New,1.5E6,gold\n";
        let row = r#"{"attributes":{"type":"Lead"},"Id":"00Q5f00000AbCdE","Company":"Acme, Inc","City":"Ulm",
            "Country":"Germany","Status":"New","AnnualRevenue":1500000.0,"Tier__c":"gold"}"#
            .replace('\n', "");
        let of_csv = events(csv);
        let said = |event: &Value| {
            let mut event = event.clone();
            event.as_object_mut().unwrap().remove("event_id");
            event
        };
        for text in [format!("[{row}]"), row.clone(), format!(r#"{{"records":[{row}]}}"#)] {
            assert_eq!(said(&events(&text)[0]), said(&of_csv[0]), "{text}");
        }
        let lead = &of_csv[0];
        assert_eq!((&lead["company"], &lead["country"]), (&"Acme, Inc".into(), &"DE".into()));
        assert_eq!(
            (&lead["annual_revenue"], &lead["attributes"]["Tier__c"]),
            (&"1500000".into(), &"gold".into())
        );
    }

    #[test]
    fn broken_files_name_their_line() {
        let fault = |text: &str| {
            records(text.as_bytes(), "Lead", &Mapping::default(), AT, AT).unwrap_err().field
        };
        assert_eq!(fault("Id,Company\n1,2,3\n"), "line 2");
        assert_eq!(fault("{\"Id\":1}\nnonsense\n"), "line 2");
        assert_eq!(fault("[1]"), "row 1");
    }
}
