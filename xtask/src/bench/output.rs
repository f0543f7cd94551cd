//! The table and the JSON.

use std::collections::BTreeMap;
use std::path::Path;

use compress_core::file;
use compress_core::isa::Isa;
use serde::Serialize;

use super::BenchError;
use super::ceilings::Ceilings;
use super::row::{Measured, Row};
use crate::output::{OutputError, say};

/// A row as it is printed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Result {
    name: String,
    value: f64,
    unit: &'static str,
    /// In the same unit; none where the ceiling is unknown.
    limit: Option<f64>,
    /// How near the value comes to the limit.
    percent_of_limit: Option<f64>,
}

impl Result {
    /// `ceilings` are those on as many threads as the row had, with the level that it ran at.
    pub(crate) fn new(row: &Row, measured: &Measured, ceilings: Option<(&Ceilings, Isa)>) -> Self {
        let floor = ceilings.and_then(|(ceilings, isa)| measured.floor.seconds(ceilings, isa));
        let operations = measured.floor.operations();
        let value = |seconds| row.unit().of(seconds, operations);
        Result {
            name: row.name().to_owned(),
            value: value(measured.seconds),
            unit: row.unit().name(&measured.floor),
            limit: floor.map(value),
            percent_of_limit: floor.map(|floor| floor / measured.seconds * 100.0),
        }
    }
}

/// What the file holds.
#[derive(Serialize)]
struct Report<'a> {
    ceilings: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    rows: &'a [Result],
}

pub(crate) fn print_ceilings(
    isa: Isa,
    ceilings: &[Ceilings],
) -> std::result::Result<(), OutputError> {
    say!("ceilings; the rows run at {}", isa.name())?;
    let Some(first) = ceilings.first() else {
        return Ok(());
    };
    let lists: Vec<_> = ceilings.iter().map(Ceilings::list).collect();
    let heads = ceilings
        .iter()
        .map(|c| format!("{:>10}", format!("t{}", c.threads)));
    say!("{:<44} {} unit", "", heads.collect::<String>())?;
    for (i, (name, _, unit)) in first.list().iter().enumerate() {
        let values = lists
            .iter()
            .filter_map(|list| list.get(i))
            .map(|entry| format!("{:>10.1}", entry.1));
        say!("{name:<44} {} {unit}", values.collect::<String>())?;
    }
    say!("")
}

pub(crate) fn print_rows(rows: &[Result]) -> std::result::Result<(), OutputError> {
    say!(
        "{:<44} | {:>10} | {:<7} | {:>10} | {:>10}",
        "name",
        "value",
        "unit",
        "limit",
        "% of limit"
    )?;
    for row in rows {
        say!(
            "{:<44} | {:>10} | {:<7} | {:>10} | {:>10}",
            row.name,
            number(row.value),
            row.unit,
            row.limit.map_or("-".to_owned(), number),
            row.percent_of_limit.map_or("-".to_owned(), number),
        )?;
    }
    Ok(())
}

/// With about four digits.
fn number(value: f64) -> String {
    let digits = match value {
        v if v >= 1000.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 10.0 => 2,
        v if v >= 0.1 => 3,
        _ => 5,
    };
    format!("{value:.digits$}")
}

/// Fails where there is no folder for the file.
pub(crate) fn check_folder(path: &Path) -> std::result::Result<(), BenchError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let found = std::fs::read_dir(folder.unwrap_or(Path::new(".")));
    found.map(drop).map_err(|source| {
        let path = path.to_owned();
        compress_core::Error::Io { path, source }.into()
    })
}

/// Writes the file whole or not at all.
pub(crate) fn write_json(
    path: &Path,
    isa: Isa,
    ceilings: &[Ceilings],
    rows: &[Result],
) -> std::result::Result<(), BenchError> {
    let mut listed: BTreeMap<_, _> = ceilings
        .iter()
        .map(|c| (format!("t{}", c.threads), c.json()))
        .collect();
    let level = serde_json::json!(isa.name());
    listed.insert("isa".to_owned(), BTreeMap::from([("active".into(), level)]));
    let report = Report {
        ceilings: listed,
        rows,
    };
    let mut text = serde_json::to_vec_pretty(&report)?;
    text.push(b'\n');
    Ok(file::write(path, &text)?)
}

#[cfg(test)]
mod tests {
    use super::super::ceilings::Arithmetic;
    use super::super::floor::Floor;
    use super::super::row::{Bench, Unit};
    use super::*;

    fn result(unit: Unit, isa: Isa) -> Result {
        let unused = |_: &Bench| unreachable!("what is measured is given");
        let measured = Measured {
            seconds: 2e-6,
            repetitions: 1,
            floor: Floor::reading(1).computing(Arithmetic::F32, 1e5),
        };
        let ceilings = Ceilings::of_test();
        Result::new(
            &Row::new("a", unit, unused),
            &measured,
            Some((&ceilings, isa)),
        )
    }

    #[test]
    fn a_rate_and_a_time_come_equally_near_to_their_limits() {
        let rate = result(Unit::Rate, Isa::Avx2);
        assert_eq!(
            (rate.value.round(), rate.limit.map(f64::round)),
            (50.0, Some(100.0))
        );
        let time = result(Unit::Microseconds, Isa::Avx2);
        assert_eq!((time.value, time.limit), (2.0, Some(1.0)));
        assert_eq!(rate.percent_of_limit, Some(50.0));
        assert_eq!(time.percent_of_limit, Some(50.0));
    }

    #[test]
    fn without_a_peak_there_is_no_limit() {
        let row = result(Unit::Rate, Isa::Scalar);
        assert_eq!((row.limit, row.percent_of_limit), (None, None));
        let json = serde_json::to_value(&row).unwrap();
        assert!(json["limit"].is_null() && json["value"].is_number());
    }

    #[test]
    fn numbers_have_about_four_digits() {
        let shown = [1234.5, 123.45, 12.345, 0.1234, 0.0123].map(number);
        assert_eq!(shown, ["1234", "123.5", "12.35", "0.123", "0.01230"]);
    }
}
