//! `kolmo plan`: what a fit costs, before it is paid.

use super::fit::{enough, options_of, study_of};
use super::source::{Samples, inner_product_entries};
use super::{Global, spare_from, warn};
use clap::Args;
use kolmo::algorithms::pod::Algorithm;
use kolmo::comm::{CountingComm, launched_here, launched_ranks};
use kolmo::data::FieldInfo;
use kolmo::data::study::Study;
use kolmo::error::{Error, Result};
use kolmo::io::SnapshotSource;
use kolmo::io::field_chunks::FieldChunks;
use kolmo::io::field_slabs::FieldSlabs;
use kolmo::io::file_rates::file_rates;
use kolmo::io::mesh_file::Number;
use kolmo::linalg::tall::Layout;
use kolmo::offline::cost::{Cost, FieldCost, FieldShape, PHASES, Ranks, Reading, field_cost};
use kolmo::offline::machine::Machine;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Modes that a field is assumed to need where neither the study nor --modes says it.
const ASSUMED_MODES: usize = 20;

#[derive(Args)]
pub struct Plan {
    /// A study in TOML, or a folder or file of samples as for fit
    #[arg(required_unless_present = "measure")]
    study: Option<PathBuf>,
    /// MPI ranks (default: those of the launcher under mpirun, else 1)
    #[arg(long)]
    ranks: Option<usize>,
    /// Machines that the ranks are spread over (default: 1; under mpirun without --ranks, those of the launcher)
    #[arg(long)]
    nodes: Option<usize>,
    /// Modes of each field (default: those of the study; 20 where it has a tolerance, which only the data can answer)
    #[arg(long)]
    modes: Option<usize>,
    /// Rates of the machine that is planned for, as --measure writes them (default: this machine, measured)
    #[arg(long, value_name = "FILE")]
    machine: Option<PathBuf>,
    /// Measures this machine and writes its rates
    #[arg(long, value_name = "FILE")]
    measure: Option<PathBuf>,
}

impl Plan {
    /// Reads headers, measures for some seconds where no machine is given, tells.
    pub fn run(&self, global: &Global) -> Result<()> {
        let wrong = |place: &str, found: usize, expected: String, mend: &str| {
            Err(Error::input("K009", "kolmo", place, found.to_string(), expected, mend))
        };
        let (ranks, nodes) = self.ranks_and_nodes();
        if ranks == 0 || ranks > 1 << 24 {
            return wrong("--ranks", ranks, "1 to 16777216 ranks".into(), "name the number of MPI ranks");
        }
        if nodes == 0 || nodes > ranks {
            let expected = format!("1 to {ranks} nodes, a rank on each at least");
            return wrong("--nodes", nodes, expected, "name fewer nodes, or more ranks");
        }
        if self.modes == Some(0) {
            return wrong("--modes", 0, "at least 1".into(), "leave out --modes");
        }
        global.check_json()?;
        let planned = self.study.as_deref().map(|path| Planned::of(self, path)).transpose()?;
        if let Some(file) = &self.measure {
            let read = planned.iter().flat_map(|p| p.samples.files.iter()).chain(&self.study);
            spare_from("--measure", file, &read.map(PathBuf::as_path).collect::<Vec<_>>())?;
        }
        let machine = match &self.machine {
            Some(file) => Machine::read(file)?,
            None => {
                global.progress("plan: measuring this machine");
                Machine::measure(file_rates()?)?
            }
        };
        if let Some(file) = &self.measure {
            let value = serde_json::to_value(&machine).map_err(|e| Error::argument("a machine", e, "numbers"))?;
            kolmo::io::atomic::write_bytes(file, format!("{value:#}\n").as_bytes())?;
            if planned.is_none() {
                return global.result(&format!("machine: {}", file.display()), &value);
            }
        }
        let Some(planned) = planned else { return Ok(()) };
        let threads = global.threads.unwrap_or((machine.cores / ranks.div_ceil(nodes)).max(1));
        let ranks = Ranks { ranks, nodes, threads };
        if let Some(text) = crowded(&machine, ranks) {
            warn(&text);
        }
        planned.tell(&machine, ranks, global)
    }

    /// Ranks and nodes that are asked for, else those of the launcher.
    fn ranks_and_nodes(&self) -> (usize, usize) {
        let (ranks, here) = match self.ranks {
            Some(ranks) => (ranks, ranks),
            None => (launched_ranks().unwrap_or(1), launched_here()),
        };
        (ranks, self.nodes.unwrap_or_else(|| ranks.div_ceil(here.max(1)).max(1)))
    }
}

/// What to say of ranks and threads for which a node has too few cores: the seconds are those of a core for each.
fn crowded(machine: &Machine, ranks: Ranks) -> Option<String> {
    let (per_node, threads, cores) = (ranks.ranks.div_ceil(ranks.nodes), ranks.threads, machine.cores);
    (per_node.saturating_mul(threads) > cores).then(|| {
        let mend = if per_node > cores { "fewer ranks per node" } else { "fewer --threads" };
        let (s, plural) = (if threads == 1 { "" } else { "s" }, if cores == 1 { "" } else { "s" });
        format!(
            "{per_node} ranks x {threads} thread{s} on a node of {cores} core{plural}: they will take longer than the plan, \
             which has a core for each; choose {mend}"
        )
    })
}

/// What is known from headers.
struct Planned {
    study: Study,
    samples: Samples,
    n_samples: usize,
    n_inputs: usize,
    fields: Vec<(FieldInfo, FieldShape, &'static str)>,
    mesh_bytes: f64,
    assumed: Vec<String>,
}

impl Planned {
    fn of(plan: &Plan, path: &Path) -> Result<Planned> {
        let (ranks, _) = plan.ranks_and_nodes();
        let study = study_of(path, None)?;
        if study.reduction.method != "pod" {
            let found = format!("method `{}`", study.reduction.method);
            let (expected, mend) = ("method pod", "use `kolmo check`; plans of other methods have not arrived");
            return Err(Error::input("K014", &study.file, "[reduction] method", found, expected, mend));
        }
        let samples = Samples::of(&study)?;
        let (rows, _) = study.select(samples.source.n_samples())?;
        enough(&study, &rows)?;
        let (inputs, _) = samples.inputs(&study, &rows)?;
        let infos = samples.fields(&study)?;
        let source = samples.source.clone();
        let mut assumed = Vec::new();
        let n_modes = match (plan.modes, study.reduction.modes) {
            (Some(modes), _) => modes,
            (None, Some(modes)) => modes.max(1) as usize,
            (None, None) => {
                assumed.push(format!("{ASSUMED_MODES} modes per field; --modes N for another number"));
                ASSUMED_MODES
            }
        };
        let raw = |f: &FieldInfo| value_size(source.as_ref(), f) * f.n_dofs() as f64 * source.n_samples() as f64;
        let all: f64 = source.fields().iter().chain(source.tags()).map(raw).sum();
        let in_files: f64 =
            source.files().iter().filter_map(|f| std::fs::metadata(f).ok()).map(|m| m.len() as f64).sum();
        let mut fields = Vec::new();
        for info in infos {
            let layout = Layout::even(info.n_entities, info.n_components, Arc::new(CountingComm::new(0, ranks)));
            let memory = study.reduction.memory_bytes() as usize;
            let folder = study.model_file().parent().map(Path::to_path_buf).unwrap_or_default();
            let slabs = FieldSlabs::new(source.clone(), info.clone(), rows.clone(), layout, memory, &folder)
                .map_err(|e| e.in_file(&study.file))?;
            let share = rows.len() as f64 / source.n_samples().max(1) as f64;
            let reading = Reading {
                stored: in_files.min(all) * raw(&info) / all.max(1.0) * share,
                value: value_size(source.as_ref(), &info),
                packed: source.chunks(&info).map_or(in_files < 0.9 * all, FieldChunks::is_packed),
                every_pass: slabs.is_swept(),
                scratch: slabs.is_scratch(),
                held: slabs.bytes() as f64,
            };
            let shape = FieldShape {
                n_entities: info.n_entities,
                n_components: info.n_components,
                n_samples: rows.len(),
                n_inputs: inputs.n_columns(),
                n_modes: n_modes.min(rows.len()),
                n_entries: inner_product_entries(&study.reduction.inner_product, &info, &samples),
                reading,
            };
            fields.push((info, shape, slabs.way()));
        }
        let numbers = |m: &kolmo::mesh::Mesh| {
            8 * m.points.len() + m.cells.iter().map(|b| 4 * b.connectivity.len()).sum::<usize>()
        };
        let mesh_bytes = samples.source.mesh().map_or(0.0, |m| 2.0 * numbers(m) as f64);
        let way_stays =
            "that `auto` stays with the way named here; where the data need it, TSQR follows the Gram matrix";
        if study.reduction.algorithm == "auto" {
            assumed.push(way_stays.into());
        }
        Ok(Planned { n_samples: rows.len(), n_inputs: inputs.n_columns(), study, samples, fields, mesh_bytes, assumed })
    }

    fn tell(self, machine: &Machine, ranks: Ranks, global: &Global) -> Result<()> {
        let options = options_of(&self.study);
        let mut assumed = self.assumed.clone();
        assumed.push(format!(
            "messages of {:.1e} s and {:.1e} bytes/s between ranks; files at {:.1e} bytes/s per node",
            machine.latency, machine.bandwidth, machine.read
        ));
        let mut lines = vec![format!(
            "{} ranks on {} nodes, {} threads each; {} samples, {} inputs, {}",
            ranks.ranks,
            ranks.nodes,
            ranks.threads,
            self.n_samples,
            self.n_inputs,
            self.samples.source.path().display()
        )];
        let (mut by_field, mut totals) = (serde_json::Map::new(), [Cost::default(); 6]);
        let (mut most, mut kept) = (0.0_f64, self.mesh_bytes);
        for (info, shape, way) in &self.fields {
            let cost = field_cost(machine, ranks, shape, &options)?;
            totals.iter_mut().zip(&cost.phases).for_each(|(sum, cost)| *sum = Cost::sum([&*sum, cost]));
            // Modes of earlier fields stay while the next one is at work.
            most = most.max(kept + cost.memory);
            kept += cost.basis;
            lines.push(field_line(info, shape, &cost, way));
            by_field.insert(info.name.clone(), field_json(info, shape, &cost, way));
        }
        let total = Cost::sum(&totals);
        lines.push(format!(
            "{:<12} {:>10} {:>10} {:>10} {:>10} {:>9} {:>10} {:>9}",
            "per rank", "flops", "read", "inflated", "moved", "messages", "sent", "seconds"
        ));
        for (name, cost) in PHASES.iter().zip(&totals).chain([(&"total", &total)]) {
            lines.push(row(name, cost));
        }
        let per_node = most * ranks.ranks.div_ceil(ranks.nodes) as f64;
        let limit = limit(machine, &totals, &total, per_node);
        lines.push(format!("memory: {} per rank, {} per node", size(most), size(per_node)));
        lines.extend(assumed.iter().map(|text| format!("assumed: {text}")));
        lines.push(format!("limit: {limit}"));
        let phases: serde_json::Map<String, Value> =
            PHASES.iter().zip(&totals).map(|(name, cost)| (name.to_string(), phase_json(cost))).collect();
        let value = json!({
            "study": self.study.file, "ranks": ranks.ranks, "nodes": ranks.nodes, "threads": ranks.threads,
            "n_samples": self.n_samples, "n_inputs": self.n_inputs, "fields": by_field, "phases": phases,
            "total": phase_json(&total), "seconds": total.seconds, "memory_per_rank": whole(most),
            "memory_per_node": whole(per_node), "limit": limit, "assumed": assumed, "machine": machine,
        });
        global.result(&lines.join("\n"), &value)
    }
}

fn value_size(source: &dyn SnapshotSource, field: &FieldInfo) -> f64 {
    if source.number(field) == Number::Float32 { 4.0 } else { 8.0 }
}

fn name(way: Algorithm) -> &'static str {
    match way {
        Algorithm::Auto => "auto",
        Algorithm::Gram => "gram",
        Algorithm::Tsqr => "tsqr",
        Algorithm::Randomized => "randomized",
        Algorithm::Incremental => "incremental",
    }
}

/// A number of bytes or operations: JSON has whole numbers beyond 2^31.
fn whole(value: f64) -> u64 {
    value.max(0.0).round() as u64
}

fn phase_json(cost: &Cost) -> Value {
    json!({
        "flops": whole(cost.flops), "bytes_read": whole(cost.bytes_read), "bytes_inflated": whole(cost.bytes_inflated),
        "bytes_moved": whole(cost.bytes_moved), "messages": cost.messages, "bytes_sent": whole(cost.bytes_sent),
        "depth": cost.depth, "seconds": cost.seconds,
    })
}

fn field_json(info: &FieldInfo, shape: &FieldShape, cost: &FieldCost, way: &str) -> Value {
    let phases: serde_json::Map<String, Value> =
        PHASES.iter().zip(&cost.phases).map(|(name, cost)| (name.to_string(), phase_json(cost))).collect();
    json!({
        "n_dofs": info.n_dofs(), "n_entries": info.n_dofs() as u64 * shape.n_samples as u64, "n_modes": shape.n_modes,
        "algorithm": name(cost.algorithm), "reading": way, "memory": whole(cost.memory), "phases": phases,
        "seconds": Cost::sum(&cost.phases).seconds,
    })
}

fn field_line(info: &FieldInfo, shape: &FieldShape, cost: &FieldCost, way: &str) -> String {
    format!(
        "{}: {} x {}, {} modes, {}, {way}, {:.3} s",
        info.name,
        info.n_dofs(),
        shape.n_samples,
        shape.n_modes,
        name(cost.algorithm),
        Cost::sum(&cost.phases).seconds
    )
}

fn row(name: &str, cost: &Cost) -> String {
    format!(
        "{name:<12} {:>10.2e} {:>10} {:>10} {:>10} {:>9} {:>10} {:>9.3}",
        cost.flops,
        size(cost.bytes_read),
        size(cost.bytes_inflated),
        size(cost.bytes_moved),
        cost.messages,
        size(cost.bytes_sent),
        cost.seconds
    )
}

/// What a larger machine would have to have more of.
fn limit(machine: &Machine, phases: &[Cost; 6], total: &Cost, per_node: f64) -> String {
    if machine.memory > 0.0 && per_node > machine.memory {
        let (need, has) = (size(per_node), size(machine.memory));
        return format!(
            "memory: {need} per node, which has {has}; fewer ranks per node, or a lower [reduction] memory"
        );
    }
    let by_name = PHASES.iter().zip(phases);
    let Some((name, cost)) = by_name.max_by(|a, b| a.1.seconds.total_cmp(&b.1.seconds)) else { return String::new() };
    let share = 100.0 * cost.seconds / total.seconds.max(f64::MIN_POSITIVE);
    let why = match *name {
        "read" if cost.bytes_inflated > 0.0 => "inflating chunks: more ranks or threads",
        "read" => "files: more nodes, or a faster file system",
        "spectrum" | "modes" => "arithmetic and memory: more ranks or threads",
        "regression" => {
            "likelihoods, of which no more run at once than there are modes: more threads up to that number"
        }
        "calibration" => "12 folds, and rows that every rank holds: more ranks up to 12",
        _ => "the model file, which ranks write in turn: fewer modes",
    };
    format!("{name}, {share:.0} % of the time; {why}")
}

/// Bytes as text.
fn size(bytes: f64) -> String {
    let units = [("TiB", 1_099_511_627_776.0), ("GiB", 1_073_741_824.0), ("MiB", 1_048_576.0), ("KiB", 1024.0)];
    let unit = units.into_iter().find(|(_, factor)| bytes >= *factor);
    unit.map_or(format!("{bytes:.0} B"), |(name, factor)| format!("{:.1} {name}", bytes / factor))
}
