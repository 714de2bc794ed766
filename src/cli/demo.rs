//! `kolmo demo`.

use super::{Cli, Global, perform, print};
use clap::Parser;
use kolmo::error::{Error, Result};
use std::path::Path;

const DATA: &[u8] = include_bytes!("../../examples/data/supersonic_step.h5");
const STUDY: &str = include_str!("../../examples/data/supersonic_step.toml");
/// Points at which there is no run.
const POINTS: &str = "mach,gamma\n1.6,1.3\n1.9,1.6\n2.2,1.35\n2.5,1.5\n2.8,1.4\n";

/// The folder of the demonstration, and the settings of the run.
struct Demo<'a> {
    folder: &'a Path,
    global: &'a Global,
}

impl Demo<'_> {
    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Prints a heading and a command, and runs the command; words with a dot, and `pictures`, are names in the folder.
    fn step(&self, heading: &str, command: &str) -> Result<()> {
        let in_folder = |w: &str| {
            w == "pictures" || [".toml", ".h5", ".vtu", ".csv", ".json", ".html"].iter().any(|e| w.ends_with(e))
        };
        let words: Vec<String> =
            command.split(' ').map(|w| if in_folder(w) { self.path(w) } else { w.to_string() }).collect();
        let quoted = |w: &String| if w.contains(char::is_whitespace) { format!("'{w}'") } else { w.clone() };
        print(&format!("\n{heading}\n$ {}", words.iter().map(quoted).collect::<Vec<_>>().join(" ")));
        let mut cli = Cli::try_parse_from(&words)
            .map_err(|e| Error::input("K012", "kolmo", "demo", e.to_string(), "a command", "choose another folder"))?;
        cli.global = Global { json: cli.global.json, ..self.global.clone() };
        perform(&cli)
    }
}

/// Fits 48 of 60 full-order solutions of a supersonic flow, predicts, and scores the model on the 12 others.
pub fn run(folder: Option<&Path>, global: &Global) -> Result<()> {
    let folder = folder.unwrap_or(Path::new("kolmo-demo"));
    std::fs::create_dir_all(folder).map_err(|e| Error::Write { file: folder.to_path_buf(), reason: e.to_string() })?;
    let demo = Demo { folder, global };
    for (name, bytes) in
        [("supersonic_step.h5", DATA), ("supersonic_step.toml", STUDY.as_bytes()), ("points.csv", POINTS.as_bytes())]
    {
        kolmo::io::atomic::write_bytes(folder.join(name), bytes)?;
    }
    print("Supersonic flow over a step: 60 OpenFOAM solutions on 2,328 cells, Mach 1.4 to 3, gamma 1.25 to 1.67.");
    demo.step("Train on 48 of them:", "kolmo fit supersonic_step.toml -o model.h5")?;
    demo.step("Predict a point that no run has seen:", "kolmo predict model.h5 --at mach=2.1,gamma=1.4 -o step.vtu")?;
    demo.step("Predict several points at once:", "kolmo predict model.h5 --parameters points.csv -o points.h5")?;
    demo.step(
        "Compare with the 12 solutions that were held out:",
        "kolmo validate model.h5 --data supersonic_step.toml --html report.html --plots pictures --json scores.json",
    )?;
    print(&format!(
        "\nmodel:       {}\npredictions: {} (for ParaView)\n             {}\nreport:      {} (for a browser)\npictures:    {}\nscores:      {}",
        demo.path("model.h5"),
        demo.path("step.vtu"),
        demo.path("points.h5"),
        demo.path("report.html"),
        demo.path("pictures"),
        demo.path("scores.json")
    ));
    Ok(())
}
