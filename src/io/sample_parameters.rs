//! Parameters and times of samples out of their files.

use crate::data::Table;
use crate::data::table::Unusable;
use crate::error::{Error, Result};
use std::path::Path;

/// Field data that are no parameters.
const RESERVED: [&str; 6] = ["indicator", "flag", "timevalue", "time", "cycle", "step"];

/// Name of the column that stands for field data of which nothing can be read.
const FIELD_DATA: &str = "field data";

/// What the file of a sample that can be read says beside its arrays.
#[derive(Debug)]
pub(super) struct SampleData<'a> {
    pub name: &'a str,
    pub file: &'a Path,
    pub field_data: Result<Vec<(String, Vec<f64>)>>,
    pub time: Option<f64>,
}

impl SampleData<'_> {
    fn place(&self, what: &str) -> String {
        format!("sample {}, {what}", self.name)
    }

    fn values(&self, name: &str) -> Option<&[f64]> {
        let data = self.field_data.as_deref().unwrap_or_default();
        data.iter().find(|(n, _)| n == name).map(|(_, values)| values.as_slice())
    }

    fn one(&self, name: &str) -> Option<f64> {
        if let Some([value]) = self.values(name) { Some(*value) } else { None }
    }
}

/// Field data of one value as parameters, a row for each sample; `None` stands for a sample that cannot be read, whose row is
/// never asked for.
///
/// A name that only some of the samples have is no column: the reason (K007, or why field data cannot be read) is told where the
/// column is needed. What has other numbers of values in most of the samples is no parameter.
pub(super) fn parameters(samples: &[Option<SampleData<'_>>]) -> Result<Option<Table>> {
    let readable = || samples.iter().flatten();
    let mut names: Vec<&String> = Vec::new();
    for (name, values) in readable().flat_map(|s| s.field_data.as_deref().unwrap_or_default()) {
        if values.len() == 1 && !RESERVED.contains(&name.to_lowercase().as_str()) && !names.contains(&name) {
            names.push(name);
        }
    }
    let is_parameter = |name: &&String| {
        let (held, one) =
            (readable().filter(|s| s.values(name).is_some()), readable().filter(|s| s.one(name).is_some()));
        2 * one.count() > held.count()
    };
    names.retain(is_parameter);
    let damaged = readable().find_map(|s| Some((s, s.field_data.as_ref().err()?)));
    let damaged = damaged.map(|(s, e)| e.clone().inside(&s.place(FIELD_DATA)));
    let (mut kept, mut unusable) = (Vec::new(), Vec::new());
    for name in names {
        match damaged.clone().or_else(|| missing(&readable().collect::<Vec<_>>(), name)) {
            None => kept.push(name.clone()),
            Some(reason) => unusable.push(Unusable::new(name, reason)),
        }
    }
    if let (Some(reason), true) = (damaged, unusable.is_empty()) {
        unusable.push(Unusable::new(FIELD_DATA, reason));
    }
    if kept.is_empty() && unusable.is_empty() {
        return Ok(None);
    }
    let value = |s: &Option<SampleData<'_>>, name: &String| s.as_ref().and_then(|s| s.one(name)).unwrap_or(0.0);
    let values = samples.iter().flat_map(|s| kept.iter().map(move |name| value(s, name))).collect();
    let table = Table::new(kept.clone(), values)?;
    Ok(Some(Table { unusable, ..table }))
}

/// That some sample lacks the parameter `name`.
fn missing(samples: &[&SampleData<'_>], name: &str) -> Option<Error> {
    let without = samples.iter().find(|s| s.one(name).is_none())?;
    let with = samples.iter().find(|s| s.one(name).is_some()).map_or("others", |s| s.name);
    let found = match without.values(name) {
        None => "no value".to_string(),
        Some(values) => format!("{} values", values.len()),
    };
    let mend = "write it into the file, put a table parameters.csv beside the samples, or name the other `inputs`";
    let place = without.place(&format!("{FIELD_DATA} {name}"));
    Some(Error::input("K007", without.file, place, found, format!("one value, as in sample {with}"), mend))
}

/// The time of each sample, where all that can be read have one; where only some have, the reason (K007) beside.
pub(super) fn times(samples: &[Option<SampleData<'_>>]) -> (Option<Vec<f64>>, Option<Error>) {
    let readable = || samples.iter().flatten();
    let Some(with) = readable().find(|s| s.time.is_some()) else { return (None, None) };
    let Some(without) = readable().find(|s| s.time.is_none()) else {
        return (Some(samples.iter().map(|s| s.as_ref().and_then(|s| s.time).unwrap_or(0.0)).collect()), None);
    };
    let (place, expected) = (without.place("time"), format!("a time, as sample {} has", with.name));
    let mend =
        "write the time into the file, put a table with a column `time` beside the samples, or name the other `inputs`";
    (None, Some(Error::input("K007", without.file, place, "no time", expected, mend)))
}
