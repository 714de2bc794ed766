//! Scores of predictions against full-order solutions.

use faer::MatRef;
use kolmo::online::PodRegression;
use kolmo::report::modes::Spectrum;
use kolmo::report::parameter_space::Points;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What is collected per sample (and field), pooled over folds.
#[derive(Default)]
pub struct Collected {
    seconds_fit: f64,
    pub(super) floors: BTreeMap<String, f64>,
    /// Numbers of the samples, in the order of what follows.
    pub samples: Vec<usize>,
    pub fields: Vec<FieldScores>,
    /// Truth, prediction and half-width of the interval.
    pub scalars: Vec<(String, Vec<[f64; 3]>)>,
    pub indicator: Vec<f64>,
    /// Rigorous bounds of `error`, infinite where there is none; empty for models without.
    pub bound: Vec<f64>,
    /// Largest relative error over the fields.
    pub error: Vec<f64>,
    /// Answers that are flagged.
    pub(super) outside: usize,
    /// Why, where there are several reasons.
    pub(super) flags: Option<super::flags::Flags>,
    pub(super) seconds: f64,
    /// Sums of error, projection error and indicator, and number of samples, for 1, 2, … modes.
    pub by_modes: Vec<[f64; 4]>,
    /// Of every field of every model.
    pub spectra: Vec<Spectrum>,
    /// Places of the samples in the parameter space, with `error`.
    pub points: Points,
    /// What the intervals promise.
    pub confidence: f64,
}

/// Per sample; and of all entries: how many lie in their interval, and how wide those are in sum.
#[derive(Default, Clone)]
pub struct FieldScores {
    pub name: String,
    pub relative: Vec<f64>,
    pub absolute: Vec<f64>,
    pub projection: Vec<f64>,
    pub(super) rrmse: Vec<f64>,
    pub(super) covered: usize,
    pub(super) width: f64,
    pub(super) entries: usize,
    /// Truth, prediction and half-width of some entries of every sample.
    pub shown: Vec<[f64; 3]>,
}

fn mean(v: impl IntoIterator<Item = f64>) -> Value {
    let (n, sum) = v.into_iter().fold((0, 0.0), |(n, s), x| (n + 1, s + x));
    if n == 0 || !f64::is_finite(sum) { Value::Null } else { json!(sum / n as f64) }
}

impl Collected {
    /// Nothing collected yet, of models that took `seconds_fit`.
    pub fn new(seconds_fit: f64, floors: BTreeMap<String, f64>) -> Self {
        Collected { seconds_fit, floors, ..Collected::default() }
    }

    /// Where the samples are, and how much each input matters.
    pub(super) fn place(&mut self, model: &PodRegression, rows: &[usize], x: MatRef<'_, f64>, error: &[f64]) {
        let points = &mut self.points;
        points.names.clone_from(&model.inputs.names);
        points.importance.resize(points.names.len(), 0.0);
        points.importance.iter_mut().zip(importance(model)).for_each(|(sum, own)| *sum += own);
        points.samples.extend(rows);
        points.inputs.extend(rows.iter().map(|r| x.row(*r).iter().copied().collect::<Vec<f64>>()));
        points.error.extend(error);
        self.confidence = model.confidence;
    }

    /// Share of values inside their intervals, of every field and scalar.
    pub fn coverage(&self) -> Vec<(String, f64)> {
        let fields = self.fields.iter().map(|f| (f.name.clone(), f.covered as f64 / f.entries.max(1) as f64));
        let share =
            |t: &Vec<[f64; 3]>| t.iter().filter(|v| (v[0] - v[1]).abs() <= v[2]).count() as f64 / t.len().max(1) as f64;
        fields.chain(self.scalars.iter().map(|(name, t)| (name.clone(), share(t)))).collect()
    }

    /// Pools rows by number of modes; a model with fewer modes counts with its last row beyond them.
    pub(super) fn merge_modes(&mut self, mut modes: Vec<[f64; 4]>) {
        let longest = modes.len().max(self.by_modes.len());
        for rows in [&mut modes, &mut self.by_modes] {
            if let Some(last) = rows.last().copied() {
                rows.resize(longest, last);
            }
        }
        for (n, row) in modes.into_iter().enumerate() {
            match self.by_modes.get_mut(n) {
                Some(sum) => (0..4).for_each(|a| sum[a] += row[a]),
                None => self.by_modes.push(row),
            }
        }
    }

    /// Pools another fold.
    pub fn merge(&mut self, other: Collected) {
        for s in other.fields {
            match self.fields.iter_mut().find(|f| f.name == s.name) {
                Some(f) => f.merge(s),
                None => self.fields.push(s),
            }
        }
        for (name, triples) in other.scalars {
            match self.scalars.iter_mut().find(|(n, _)| n == &name) {
                Some((_, all)) => all.extend(triples),
                None => self.scalars.push((name, triples)),
            }
        }
        self.merge_modes(other.by_modes);
        self.samples.extend(other.samples);
        self.spectra.extend(other.spectra);
        let (all, part) = (&mut self.points, other.points);
        let matters = all.importance.iter().zip(&part.importance).map(|(a, b)| a + b).collect();
        // Folds may drop different inputs: then places of both cannot be drawn together.
        if all.samples.is_empty() {
            *all = part;
        } else if all.names == part.names {
            all.importance = matters;
            all.samples.extend(part.samples);
            all.inputs.extend(part.inputs);
            all.error.extend(part.error);
        }
        self.confidence = other.confidence;
        self.indicator.extend(other.indicator);
        self.bound.extend(other.bound);
        self.error.extend(other.error);
        self.outside += other.outside;
        if let Some(other) = &other.flags {
            self.flags.get_or_insert_default().merge(other);
        }
        self.seconds += other.seconds;
        self.seconds_fit += other.seconds_fit;
    }

    /// The JSON of INTERFACE: scores of all that was added.
    pub fn json(&self) -> Value {
        let n = self.error.len();
        let mut fields = serde_json::Map::new();
        for f in &self.fields {
            let largest = f.relative.iter().copied().fold(0.0, f64::max);
            let mut entry = json!({
                "rel_l2_mean": mean(f.relative.iter().copied()), "rel_l2_max": largest,
                "rrmse": mean(f.rrmse.iter().copied()).as_f64().map(f64::sqrt),
                "projection_rel_l2_mean": mean(f.projection.iter().copied()),
                "coverage": f.covered as f64 / f.entries.max(1) as f64,
                "interval_width_mean": f.width / f.entries.max(1) as f64});
            if entry["rel_l2_mean"].is_null() {
                entry["rel_l2_max"] = Value::Null;
            }
            explain_nulls(&mut entry, "a solution of norm 0; set [scores] floor");
            fields.insert(f.name.clone(), entry);
        }
        let mut scalars = serde_json::Map::new();
        for (name, t) in &self.scalars {
            let floor = self.floors.get(name).copied().unwrap_or(0.0);
            let average = t.iter().map(|v| v[0]).sum::<f64>() / t.len() as f64;
            let squares: f64 = t.iter().map(|v| (v[0] - v[1]).powi(2)).sum();
            let spread: f64 = t.iter().map(|v| (v[0] - average).powi(2)).sum();
            let rrmse = mean(t.iter().map(|v| ((v[0] - v[1]) / v[0].abs().max(floor)).powi(2))).as_f64().map(f64::sqrt);
            let mut entry = json!({"rrmse": rrmse, "q2": (spread > 0.0).then(|| 1.0 - squares / spread),
                "coverage": mean(t.iter().map(|v| f64::from(u8::from((v[0] - v[1]).abs() <= v[2]))))});
            if spread == 0.0 {
                entry["q2_reason"] = json!("all true values are equal");
            }
            explain_nulls(&mut entry, "a true value of 0; set [scores] floor");
            scalars.insert(name.clone(), entry);
        }
        let mut ratios: Vec<f64> =
            self.indicator.iter().zip(&self.error).filter(|(_, e)| **e > 0.0).map(|(i, e)| i / e).collect();
        ratios.sort_by(f64::total_cmp);
        let middle = |r: &[f64]| (!r.is_empty()).then(|| 0.5 * (r[(r.len() - 1) / 2] + r[r.len() / 2]));
        let mut indicator = json!({"effectivity_min": ratios.first(), "effectivity_median": middle(&ratios),
            "effectivity_max": ratios.last(), "rank_correlation": rank_correlation(&self.indicator, &self.error)});
        if indicator["rank_correlation"].is_null() {
            indicator["rank_correlation_reason"] = json!("fewer than 3 samples, or equal ranks");
        }
        explain_nulls(&mut indicator, "no sample with an error above 0");
        let bound = self.bounds(&middle);
        let of_modes = |(k, r): (usize, &[f64; 4])| {
            let w = r[3].max(1.0);
            let mut row = json!({"modes": k + 1, "rel_l2_mean": r[0] / w, "projection_rel_l2_mean": r[1] / w,
                "indicator_mean": r[2] / w, "condition": null, "condition_reason": "no reduced operator is solved"});
            explain_nulls(&mut row, "a solution of norm 0; set [scores] floor");
            row
        };
        let by_modes: Vec<Value> = self.by_modes.iter().enumerate().map(of_modes).collect();
        let mut all = json!({"method": "pod", "n_samples": n, "fields": fields, "scalars": scalars, "indicator": indicator,
            "flags": {"extrapolating": self.outside}, "by_modes": by_modes,
            "seconds": {"fit": self.seconds_fit, "predict_per_sample": self.seconds / n.max(1) as f64}});
        if let Some(bound) = bound {
            all["bound"] = bound;
        }
        all
    }

    /// Rigorous bounds against errors, where there are some.
    fn bounds(&self, middle: &dyn Fn(&[f64]) -> Option<f64>) -> Option<Value> {
        if self.bound.is_empty() || self.bound.len() != self.error.len() {
            return None;
        }
        let pairs = || self.bound.iter().zip(&self.error).filter(|(b, _)| b.is_finite());
        let mut ratios: Vec<f64> = pairs().filter(|(_, e)| **e > 0.0).map(|(b, e)| b / e).collect();
        ratios.sort_by(f64::total_cmp);
        let below = pairs().filter(|(b, e)| b < e).count();
        let mut value = json!({"below_error": below, "missing": self.bound.len() - pairs().count(),
            "effectivity_min": ratios.first(), "effectivity_median": middle(&ratios), "effectivity_max": ratios.last()});
        explain_nulls(&mut value, "no sample with a bound and an error above 0");
        Some(value)
    }
}

/// Puts a reason beside every number that does not exist and has none yet.
fn explain_nulls(entry: &mut Value, reason: &str) {
    let Some(entry) = entry.as_object_mut() else { return };
    let missing: Vec<String> = entry.iter().filter(|(_, v)| v.is_null()).map(|(k, _)| format!("{k}_reason")).collect();
    for key in missing {
        entry.entry(key).or_insert_with(|| json!(reason));
    }
}

impl FieldScores {
    /// Places of the sample with the median error and of the one with the largest: of the relative error where it exists
    /// for all samples, else of the absolute one.
    pub fn median_and_worst(&self) -> Option<(usize, usize)> {
        let errors = if self.relative.iter().all(|e| e.is_finite()) { &self.relative } else { &self.absolute };
        let mut order: Vec<usize> = (0..errors.len()).collect();
        order.sort_by(|a, b| errors[*a].total_cmp(&errors[*b]));
        Some((*order.get(order.len() / 2)?, *order.last()?))
    }

    pub(super) fn merge(&mut self, other: FieldScores) {
        self.relative.extend(other.relative);
        self.absolute.extend(other.absolute);
        self.projection.extend(other.projection);
        self.rrmse.extend(other.rrmse);
        self.covered += other.covered;
        self.width += other.width;
        self.entries += other.entries;
        self.shown.extend(other.shown);
    }
}

/// How fast the first mode of each field changes along each input: sum of 1 / length scale, of standardised inputs.
pub fn importance(model: &PodRegression) -> Vec<f64> {
    let mut sums = vec![0.0; model.inputs.names.len()];
    let first = model.fields.iter().flat_map(|f| f.groups.iter().filter(|(outputs, _)| outputs.contains(&0)));
    for (_, process) in first {
        let lengths = process.to_parts().length_scales;
        sums.iter_mut().zip(lengths).for_each(|(sum, length)| *sum += 1.0 / length);
    }
    sums
}

/// Spearman's coefficient; `None` for fewer than 3 samples or equal ranks.
fn rank_correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len();
    let ranks = |v: &[f64]| -> Vec<f64> {
        v.iter()
            .map(|x| {
                v.iter().filter(|y| *y < x).count() as f64 + 0.5 * (v.iter().filter(|y| *y == x).count() as f64 - 1.0)
            })
            .collect()
    };
    let (ra, rb, middle) = (ranks(a), ranks(b), (n as f64 - 1.0) / 2.0);
    let dot = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(x, y)| (x - middle) * (y - middle)).sum::<f64>();
    let scale = (dot(&ra, &ra) * dot(&rb, &rb)).sqrt();
    (n >= 3 && scale > 0.0).then(|| dot(&ra, &rb) / scale)
}
