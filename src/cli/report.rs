//! `kolmo validate --html`: one page that says how good a model is.

use super::flags::words;
use super::pictures::{Figure, Place};
use super::scores::Collected;
use kolmo::data::study::{DEFAULT_TOLERANCE, Study};
use kolmo::error::Result;
use kolmo::io::pod_model::Provenance;
use kolmo::online::PodRegression;
use kolmo::report::html::{Cell, Page};
use kolmo::report::{number, parameter_text};
use serde_json::Value;
use std::path::Path;

/// What was validated, and what it was made from.
pub struct Validated<'a> {
    /// Such as `model.h5 against test.h5`.
    pub what: String,
    /// The files of that with their folders.
    pub files: Vec<&'a Path>,
    pub study: &'a Study,
    /// Models that were trained without the samples of each fold.
    pub folds: Option<usize>,
    /// Samples that the model was trained on too.
    pub known: usize,
    pub model: Option<(&'a PodRegression, &'a Provenance)>,
}

/// Writes the report. `value` is the JSON of `scores`, `notes` what has no picture.
pub fn write(
    file: &Path,
    validated: &Validated<'_>,
    scores: &Collected,
    value: &Value,
    figures: &[Figure],
    notes: &[String],
) -> Result<()> {
    let mut page = Page::new(&format!("{}: {}", validated.study.name, validated.what));
    let (sentence, more) = verdict(validated, scores, value);
    page.verdict(&sentence, &more);
    page.key_numbers(&key_numbers(scores, value));
    page.section("Scores");
    tables(&mut page, value);
    page.section("Modes");
    draw(&mut page, figures, Place::Modes);
    page.section("Errors");
    draw(&mut page, figures, Place::Errors);
    page.section("Predictions against truth");
    draw(&mut page, figures, Place::Outputs);
    page.section("Parameter space");
    draw(&mut page, figures, Place::Space);
    page.section("Timings");
    timings(&mut page, value);
    page.section("Samples");
    draw(&mut page, figures, Place::Sample);
    notes.iter().for_each(|note| page.paragraph(&sentence_of(note)));
    page.section("Study");
    page.verbatim(&validated.study.text);
    page.section("Provenance");
    provenance(&mut page, validated);
    kolmo::io::atomic::write_bytes(file, page.html().as_bytes())
}

/// A note as a sentence.
fn sentence_of(note: &str) -> String {
    let mut letters = note.chars();
    letters.next().map_or(String::new(), |c| format!("{}{}.", c.to_uppercase(), letters.as_str()))
}

/// The pictures of one place.
pub fn draw(page: &mut Page, figures: &[Figure], place: Place) {
    let own: Vec<&Figure> = figures.iter().filter(|f| f.place == place).collect();
    if !own.is_empty() {
        page.figures(own.iter().map(|f| (&f.drawing, f.caption.as_str(), f.facts.as_slice())));
    }
}

/// In per cent, three digits.
fn percent(share: f64) -> String {
    format!("{} %", number(100.0 * share))
}

/// A number of the scores, or why there is none.
fn cell(entry: &Value, key: &str, write: impl Fn(f64) -> String) -> Cell {
    match entry[key].as_f64() {
        Some(v) => Cell::Number(write(v)),
        None => Cell::Missing(entry[format!("{key}_reason")].as_str().unwrap_or("not defined here").to_string()),
    }
}

/// Names and entries of a group of scores.
fn entries<'a>(value: &'a Value, group: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value[group].as_object().into_iter().flatten()
}

/// One sentence on the error, and what limits it, whether intervals hold, whether the indicator does.
fn verdict(validated: &Validated<'_>, scores: &Collected, value: &Value) -> (String, Vec<String>) {
    let n = scores.samples.len();
    let mean_of = |entry: &Value| entry["rel_l2_mean"].as_f64();
    let worst_field = entries(value, "fields")
        .filter_map(|(name, e)| Some((name, e, mean_of(e)?)))
        .max_by(|a, b| a.2.total_cmp(&b.2));
    let whose = match (validated.folds, validated.known) {
        (Some(k), _) => format!(
            "Cross-validation over {k} folds: on {n} solutions, each predicted by a model that had not seen it,"
        ),
        (None, 0) => format!("On {n} solutions that it was not trained on,"),
        (None, known) => format!("On {n} solutions, {known} of them among its training samples,"),
    };
    let mut more = Vec::new();
    let sentence = match worst_field {
        None => format!("{whose} the relative error of the fields is not defined."),
        Some((name, entry, mean)) => {
            let several = entries(value, "fields").count() > 1;
            let which = if several { format!(" (field {name}, the worst in the mean)") } else { String::new() };
            let worst = entry["rel_l2_max"].as_f64().unwrap_or(f64::NAN);
            let best = entry["projection_rel_l2_mean"].as_f64().filter(|_| mean > 0.0);
            more.extend(best.map(|best| limits(mean, best)));
            format!(
                "{whose} the prediction is off by {} on average and by {} at worst{which}.",
                percent(mean),
                percent(worst)
            )
        }
    };
    more.extend(intervals(scores));
    more.extend(indicator(&value["indicator"]));
    match value["flags"]["extrapolating"].as_u64() {
        Some(0) | None => {}
        Some(m) if !value["flags"]["reasons"].is_null() => {
            more.push(format!("Of the {n} samples {}.", words(m, &value["flags"]["reasons"])));
        }
        Some(m) => more.push(format!(
            "{m} of the {n} samples {} outside the training box: there the model extrapolates.",
            if m == 1 { "lies" } else { "lie" }
        )),
    }
    (sentence, more)
}

/// Whether modes or regression limit the error.
fn limits(mean: f64, best: f64) -> String {
    let ratio = mean / best;
    let basis = format!("the best that the basis can do is {}", percent(best));
    if ratio < 1.3 {
        format!("The modes limit it ({basis}): a smaller tolerance or more training samples help.")
    } else if ratio < 3.0 {
        format!("Modes and regression both contribute ({basis}).")
    } else {
        format!("The regression limits it ({basis}): more training samples help, more modes do not.")
    }
}

fn intervals(scores: &Collected) -> Option<String> {
    let coverage = scores.coverage();
    let (name, least) = coverage.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let promised = percent(scores.confidence);
    Some(if *least < scores.confidence - 0.1 {
        format!(
            "Caution: the intervals are too narrow; those of {name} hold {} of the values, {promised} are promised.",
            percent(*least)
        )
    } else {
        format!("The intervals hold {} of the values or more, {promised} are promised.", percent(*least))
    })
}

fn indicator(value: &Value) -> Option<String> {
    let median = value["effectivity_median"].as_f64()?;
    let ranks = match value["rank_correlation"].as_f64() {
        Some(r) if r < 0.3 => {
            format!("; it does not tell good samples from bad ones (rank correlation {})", number(r))
        }
        Some(r) => format!("; it tells good samples from bad ones (rank correlation {})", number(r)),
        None => String::new(),
    };
    let caution = if median < 0.5 { "Caution: the estimated error is too small," } else { "The estimated error is" };
    Some(format!("{caution} {} of the true one in the median{ranks}.", number(median)))
}

fn key_numbers(scores: &Collected, value: &Value) -> Vec<[String; 3]> {
    let mut keys = vec![["samples".to_string(), scores.samples.len().to_string(), String::new()]];
    for (name, entry) in entries(value, "fields").take(4) {
        let mean = entry["rel_l2_mean"].as_f64();
        let place = scores.fields.iter().find(|f| &f.name == name).and_then(|f| f.median_and_worst());
        let sample = place.map_or(String::new(), |(_, worst)| format!(" (sample {})", scores.samples[worst]));
        let remark = match entry["rel_l2_max"].as_f64() {
            Some(worst) => format!("mean; worst {}{sample}", percent(worst)),
            None => entry["rel_l2_max_reason"].as_str().unwrap_or("not defined").to_string(),
        };
        keys.push([format!("error of {name}"), mean.map_or("\u{2013}".into(), percent), remark]);
    }
    for (name, entry) in entries(value, "scalars").take(2) {
        let q2 = entry["q2"].as_f64().map_or("\u{2013}".to_string(), number);
        keys.push([format!("Q\u{b2} of {name}"), q2, "1 is perfect, 0 as good as the mean".into()]);
    }
    let least = scores.coverage().into_iter().min_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((name, share)) = least {
        let remark = format!("least, of {name}; promised {}", percent(scores.confidence));
        keys.push(["coverage".into(), percent(share), remark]);
    }
    let i = &value["indicator"];
    if let (Some(median), Some(min), Some(max)) =
        (i["effectivity_median"].as_f64(), i["effectivity_min"].as_f64(), i["effectivity_max"].as_f64())
    {
        let remark = format!("median; {} to {}", number(min), number(max));
        keys.push(["estimated / true error".into(), number(median), remark]);
    }
    keys
}

fn tables(page: &mut Page, value: &Value) {
    let plain = |v: f64| number(v);
    let rows: Vec<(String, Vec<Cell>)> = entries(value, "fields")
        .map(|(name, e)| {
            let cells = vec![
                cell(e, "rel_l2_mean", percent),
                cell(e, "rel_l2_max", percent),
                cell(e, "projection_rel_l2_mean", percent),
                cell(e, "rrmse", plain),
                cell(e, "coverage", percent),
                cell(e, "interval_width_mean", plain),
            ];
            (name.clone(), cells)
        })
        .collect();
    if !rows.is_empty() {
        page.table(
            "Fields; errors are relative, in the norm of the study",
            &[
                "field",
                "mean error",
                "worst error",
                "best in the basis, mean",
                "RRMSE",
                "coverage",
                "mean interval width",
            ],
            &rows,
        );
    }
    let rows: Vec<(String, Vec<Cell>)> = entries(value, "scalars")
        .map(|(name, e)| {
            (name.clone(), vec![cell(e, "rrmse", plain), cell(e, "q2", plain), cell(e, "coverage", percent)])
        })
        .collect();
    if !rows.is_empty() {
        page.table("Scalars", &["scalar", "RRMSE", "Q\u{b2}", "coverage"], &rows);
    }
    let i = &value["indicator"];
    let cells =
        ["effectivity_min", "effectivity_median", "effectivity_max", "rank_correlation"].map(|k| cell(i, k, plain));
    page.table(
        "Estimated over true error, and how well it tells samples apart",
        &["", "least", "median", "largest", "rank correlation"],
        &[("estimated / true error".to_string(), cells.to_vec())],
    );
    let flagged = value["flags"]["extrapolating"].as_u64().unwrap_or(0);
    match value["flags"]["reasons"].is_null() {
        true => page.paragraph(&format!("Samples outside the training box: {flagged}.")),
        false => page.paragraph(&format!("Samples: {}.", words(flagged, &value["flags"]["reasons"]))),
    }
}

/// Seconds, with a unit that suits them.
fn seconds(v: f64) -> String {
    match v {
        v if v < 1e-3 => format!("{} \u{b5}s", number(1e6 * v)),
        v if v < 1.0 => format!("{} ms", number(1e3 * v)),
        v => format!("{} s", number(v)),
    }
}

fn timings(page: &mut Page, value: &Value) {
    let s = &value["seconds"];
    let row = |name: &str, key: &str| (name.to_string(), vec![cell(s, key, seconds)]);
    page.table(
        "Wall time",
        &["step", "time"],
        &[row("fit, reading included", "fit"), row("predict all fields, per sample", "predict_per_sample")],
    );
}

fn provenance(page: &mut Page, validated: &Validated<'_>) {
    let text = |v: &str| vec![Cell::Text(v.to_string())];
    let study = validated.study;
    let reduction = &study.reduction;
    let goal = match reduction.modes {
        Some(m) => format!("{m} modes"),
        None => format!("tolerance {}", parameter_text(reduction.tolerance.unwrap_or(DEFAULT_TOLERANCE))),
    };
    let files: Vec<String> = validated.files.iter().map(|f| f.display().to_string()).collect();
    let mut rows = vec![
        ("kolmo".to_string(), text(env!("CARGO_PKG_VERSION"))),
        ("files".into(), text(&files.join(", "))),
        ("method".into(), text(&reduction.method)),
        ("basis".into(), text(&format!("{goal}, {}centred", if reduction.center { "" } else { "not " }))),
        ("inner product".into(), text(&reduction.inner_product)),
        ("confidence".into(), text(&percent(study.regression.confidence))),
        ("seed".into(), text(&study.regression.seed.to_string())),
    ];
    if let Some((model, about)) = validated.model {
        rows.push(("training samples".into(), text(&model.n_snapshots.to_string())));
        rows.push(("inputs".into(), text(&model.inputs.names.join(", "))));
        for f in &model.fields {
            let met = format!("{} modes, leave out {} of the training data", f.n_modes(), percent(f.projection_error));
            rows.push((format!("field {}", f.info.name), text(&met)));
        }
        for (name, value) in &about.dropped {
            rows.push((format!("constant {name}"), text(&number(*value))));
        }
    }
    page.table("Where this comes from", &["", ""], &rows);
}
