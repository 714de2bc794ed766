//! The command line: one file per verb.

pub mod allocator;
pub mod append;
pub mod check;
pub mod compare;
pub mod convert;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod findings;
pub mod fit;
mod flags;
pub mod info;
pub mod info_report;
pub mod operator_entries;
pub mod operator_fit;
pub mod operator_info;
pub mod operator_parts;
pub mod operator_pictures;
mod operator_predict;
pub mod operator_validate;
pub mod pictures;
pub mod plan;
pub mod predict;
pub mod predict_ranks;
pub mod predicted_sample;
pub mod preflight;
pub mod rank_rows;
pub mod report;
pub mod scores;
pub mod signals;
pub mod source;
pub mod tables;
pub mod validate;

use clap::{Args, CommandFactory, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use kolmo::comm::{Communicator, SingleComm, launched_here, launched_rank};
use kolmo::error::{Error, Result};
use kolmo::io::xdmf::writer::is_data_of_xdmf;
use kolmo::offline::Progress;
use std::collections::HashSet;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Reduced-order models from snapshots, with an honest error on every answer.
#[derive(Parser)]
#[command(name = "kolmo", version, about, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    global: Global,
}

/// Options of every verb.
#[derive(Args, Clone, Default)]
pub struct Global {
    /// Threads (default: the cores of the machine)
    #[arg(long, global = true)]
    threads: Option<usize>,
    /// No progress on standard error
    #[arg(long, global = true)]
    pub quiet: bool,
    /// More on standard error
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Results as JSON into FILE, or to standard output without a value
    #[arg(long, global = true, num_args = 0..=1, value_name = "FILE")]
    pub json: Option<Option<PathBuf>>,
    /// Ranks that a verb is shared out over
    #[arg(skip)]
    comm: Option<Arc<dyn Communicator>>,
}

#[derive(Subcommand)]
enum Verb {
    /// Builds a reduced model from full-order solutions. Example: kolmo fit study.toml -o model.h5
    Fit(fit::Fit),
    /// Evaluates a model. Example: kolmo predict model.h5 --at mach=2.1,gamma=1.4 -o out.vtu
    Predict(predict::Predict),
    /// Scores a model against full-order solutions. Example: kolmo validate study.toml --folds 5 --json scores.json
    Validate(validate::Validate),
    /// What a data set, a study or a model file holds. Example: kolmo info model.h5
    Info {
        /// A model, a study, a data file, a mesh file, or a folder or pattern of them
        file: PathBuf,
        /// Of a reduced-basis model: the entries of new operators that `predict --operators` needs
        #[arg(long)]
        entries: bool,
        /// Write a report (one file, no network) that a browser opens; reads all data once, for the ranges of fields
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Changes the layout of samples. Example: kolmo convert results/ train.h5
    Convert(convert::Convert),
    /// What a fit costs in operations, bytes, memory and seconds, before it is paid. Example: kolmo plan study.toml --ranks 64 --nodes 4
    Plan(plan::Plan),
    /// All that can be known before the work, or the checksums of a model. Example: kolmo check model.h5
    Check {
        /// A study, a model, or data
        file: PathBuf,
    },
    /// Cause and mend of an error, or all codes. Example: kolmo explain K004
    Explain {
        /// The code in the brackets of an error
        code: Option<String>,
    },
    /// Fits, predicts and validates a supersonic flow. Example: kolmo demo out
    Demo { folder: Option<PathBuf> },
    /// What this build and machine have. Example: kolmo doctor
    Doctor,
    /// Completions for a shell. Example: kolmo completions bash
    Completions { shell: clap_complete::Shell },
}

/// Verbs of later versions.
const LATER: &[&str] = &["sample", "export"];

/// Options of `predict` of later versions.
const LATER_OPTIONS: &[&str] = &["--samples", "--loads"];

/// Runs the command line; returns the exit code.
pub fn run() -> i32 {
    let first = std::env::args().nth(1).unwrap_or_default();
    if LATER.contains(&first.as_str()) {
        return report(Err(Error::input(
            "K014",
            "kolmo",
            first.clone(),
            "a verb that has not arrived",
            "fit, predict, validate, info, convert, plan, check, explain, demo, doctor or completions",
            "update kolmo",
        )));
    }
    let option = |arg: String| LATER_OPTIONS.iter().find(|o| arg.split('=').next() == Some(**o)).copied();
    if let ("predict", Some(option)) = (first.as_str(), std::env::args().skip(2).find_map(option)) {
        let (found, expected) = ("an option of methods that have not arrived", "--parameters, --at or --operators");
        return report(Err(Error::input(
            "K014",
            "kolmo",
            format!("predict {option}"),
            found,
            expected,
            "update kolmo",
        )));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e)
            if e.exit_code() == 0 || e.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
        {
            if launched_rank() == 0 {
                let _ = e.print();
            }
            return e.exit_code();
        }
        Err(e) => {
            let text = e.render().to_string();
            // The first paragraph, on one line.
            let lines: Vec<&str> = text.lines().map(str::trim).take_while(|l| !l.is_empty()).collect();
            let found = lines.join(" ").trim_start_matches("error: ").trim_end_matches(" found").to_string();
            let place = if first.is_empty() || first.starts_with('-') { "command line".into() } else { first };
            return report(Err(Error::input(
                "K012",
                "kolmo",
                place,
                found,
                "the usage that --help shows",
                "run kolmo --help",
            )));
        }
    };
    report(dispatch(cli))
}

fn dispatch(mut cli: Cli) -> Result<()> {
    let comm = kolmo::comm::mpi::world()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match cli.global.threads {
        Some(0) => {
            let mend = "leave out --threads to use all cores";
            return Err(Error::input("K009", "kolmo", "--threads", "0", "at least 1", mend));
        }
        Some(n) => n,
        None => (cores / launched_here()).max(1),
    };
    // Only the first call counts, and this is it.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    // What is not shared out over ranks is done by the first.
    let shared_out = matches!(cli.verb, Verb::Fit(_) | Verb::Predict(_) | Verb::Validate(_));
    if shared_out {
        cli.global.comm = Some(comm.clone());
    }
    let done = if shared_out || comm.rank() == 0 { perform(&cli) } else { Ok(()) };
    kolmo::comm::agree(comm.as_ref(), done)
}

fn perform(cli: &Cli) -> Result<()> {
    match &cli.verb {
        Verb::Fit(args) => args.run(&cli.global),
        Verb::Predict(args) => args.run(&cli.global),
        Verb::Validate(args) => args.run(&cli.global),
        Verb::Convert(args) => args.run(&cli.global),
        Verb::Plan(args) => args.run(&cli.global),
        Verb::Info { file, entries, html } => info::run(file, *entries, html.as_deref(), &cli.global),
        Verb::Check { file } => check::run(file, &cli.global),
        Verb::Demo { folder } => demo::run(folder.as_deref(), &cli.global),
        Verb::Doctor => doctor::run(&cli.global),
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "kolmo", &mut script);
            print(String::from_utf8_lossy(&script).trim_end());
            Ok(())
        }
        Verb::Explain { code } => explain::run(code.as_deref(), &cli.global),
    }
}

/// Exit code of the error that this run has told; held while one is told.
static TOLD: Mutex<Option<i32>> = Mutex::new(None);

/// Tells that a signal ends the run, if this rank `speaks` and no error was told before. Returns the exit code.
pub fn stopped(signal: i32, speaks: bool) -> i32 {
    let told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let e = Error::Interrupted { signal };
    if speaks && told.is_none() {
        let more = if kolmo::io::checkpoint::begun() { "; with --resume it goes on from there" } else { "" };
        let _ = writeln!(std::io::stderr(), "error[{}]: {e}{more}", e.code());
    }
    told.unwrap_or(e.exit_code())
}

fn report(result: Result<()>) -> i32 {
    let lost = OUTPUT.get().map(|reason| Error::Write { file: "standard output".into(), reason: reason.clone() });
    match result.and_then(|()| lost.map_or(Ok(()), Err)) {
        Ok(()) => 0,
        Err(e) => {
            let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
            *told = Some(e.exit_code());
            if launched_rank() == 0 {
                let _ = writeln!(std::io::stderr(), "error[{}]: {e}", e.code());
            } else {
                // A launcher ends all ranks when the first one is gone: the one that speaks comes first.
                drop(told);
                std::thread::sleep(signals::PATIENCE);
            }
            e.exit_code()
        }
    }
}

/// What the system said when standard output did not take a line.
static OUTPUT: OnceLock<String> = OnceLock::new();

/// A line of results, from the first rank. A closed pipe is not an error; a full disk ends the run with exit code 1.
pub fn print(text: &str) {
    if launched_rank() == 0
        && let Err(e) = writeln!(std::io::stdout(), "{text}").and_then(|()| std::io::stdout().flush())
        && e.kind() != std::io::ErrorKind::BrokenPipe
    {
        let _ = OUTPUT.set(e.to_string());
    }
}

/// A warning.
pub fn warn(text: &str) {
    if launched_rank() == 0 {
        let _ = writeln!(std::io::stderr(), "warning: {text}");
    }
}

/// Refuses an output that would replace one of the inputs.
pub fn spare(output: &Path, inputs: &[&Path]) -> Result<()> {
    spare_from("-o", output, inputs)
}

/// The same for the file of another option.
pub fn spare_from(option: &str, output: &Path, inputs: &[&Path]) -> Result<()> {
    if is_data_of_xdmf(output) {
        let found = format!("the numbers of {}", output.with_extension("xdmf").display());
        let mend = format!("choose another name with {option}, or remove both files");
        return Err(Error::input("K009", output, option, found, "a name that no .xdmf file needs", mend));
    }
    let same = |a: &Path| matches!((a.canonicalize(), output.canonicalize()), (Ok(a), Ok(b)) if a == b);
    match inputs.iter().find(|input| same(input)) {
        None => Ok(()),
        Some(input) => Err(Error::input(
            "K009",
            output,
            option,
            format!("the input {}", input.display()),
            "another file",
            format!("choose another name with {option}"),
        )),
    }
}

/// Refuses outputs among which is one of the files that are read.
pub fn spare_files(outputs: &[PathBuf], inputs: &[PathBuf]) -> Result<()> {
    let whole = |p: &PathBuf| p.canonicalize().ok();
    let inputs: HashSet<PathBuf> = inputs.iter().filter_map(whole).collect();
    match outputs.iter().find(|o| whole(o).is_some_and(|o| inputs.contains(&o))) {
        None => Ok(()),
        Some(output) => {
            let mend = "choose another place with another name";
            Err(Error::input("K009", output, "", "a file that is read", "an output that replaces no input", mend))
        }
    }
}

impl Global {
    /// The ranks of this verb.
    pub fn comm(&self) -> Arc<dyn Communicator> {
        self.comm.clone().unwrap_or_else(|| Arc::new(SingleComm))
    }

    /// A line of progress.
    pub fn progress(&self, text: &str) {
        if !self.quiet && launched_rank() == 0 {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Where long work tells how far it is: a bar where standard error is a terminal, plain lines otherwise.
    pub fn steps(&self, verb: &'static str) -> Progress {
        if self.quiet || launched_rank() > 0 {
            return Progress::default();
        }
        if !std::io::stderr().is_terminal() {
            return Progress::new(move |what, done, all| {
                if done < all {
                    let _ = writeln!(std::io::stderr(), "{verb}: {what} ({} of {all})", done + 1);
                }
            });
        }
        let style = ProgressStyle::with_template("{prefix}: [{bar:30}] {pos}/{len} {elapsed} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        let bar = ProgressBar::new(1).with_style(style).with_prefix(verb);
        bar.enable_steady_tick(std::time::Duration::from_millis(200));
        Progress::new(move |what, done, all| {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            bar.set_message(what.to_string());
            if done >= all {
                bar.finish_and_clear();
            }
        })
    }

    /// Hands a result to `--json`, and prints its text unless the JSON went to standard output.
    pub fn result(&self, text: &str, value: &serde_json::Value) -> Result<()> {
        if !self.write_json(value)? {
            print(text);
        }
        Ok(())
    }

    /// Refuses a file for `--json` that cannot be written, before the work.
    pub fn check_json(&self) -> Result<()> {
        match &self.json {
            Some(Some(file)) if launched_rank() == 0 => kolmo::io::atomic::temporary(file).map(drop),
            _ => Ok(()),
        }
    }

    /// Hands JSON to `--json`; true if it went to standard output.
    pub fn write_json(&self, value: &serde_json::Value) -> Result<bool> {
        let text = format!("{value:#}");
        match &self.json {
            None => Ok(false),
            Some(Some(_)) if launched_rank() > 0 => Ok(false),
            Some(None) => {
                print(&text);
                Ok(true)
            }
            Some(Some(file)) => kolmo::io::atomic::write_bytes(file, (text + "\n").as_bytes()).map(|()| false),
        }
    }
}
