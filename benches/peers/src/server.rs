//! Processes that measure peers: each is asked for a row by its name on a line, and answers with a
//! line of JSON for each peer and an empty line. So torch is loaded once, and each number of
//! threads has a process whose libraries were told of it when they started.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::{Finding, PeersError};

/// A running process.
pub(crate) struct Server {
    what: String,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Server {
    /// This binary's own peers, on so many threads.
    pub(crate) fn rust(threads: usize) -> Result<Self, PeersError> {
        let binary = std::env::current_exe().map_err(PeersError::io("this binary"))?;
        let mut command = Command::new(binary);
        command.arg("--serve");
        Self::start("the Rust peers", command, threads)
    }

    /// The Python peers, on so many threads.
    pub(crate) fn python(python: &Path, threads: usize) -> Result<Self, PeersError> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python_peers.py");
        let mut command = Command::new(python);
        command.arg(script).arg("--serve");
        Self::start("the Python peers", command, threads)
    }

    fn start(what: &str, mut command: Command, threads: usize) -> Result<Self, PeersError> {
        for variable in [
            "RAYON_NUM_THREADS",
            "CANDLE_NUM_THREADS",
            "MATMUL_NUM_THREADS",
            "OMP_NUM_THREADS",
            "MKL_NUM_THREADS",
        ] {
            command.env(variable, threads.to_string());
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(PeersError::io(what))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(PeersError::Failed(format!("{what} cannot be talked to")));
        };
        let mut server = Server {
            what: what.to_owned(),
            child,
            input: Some(input),
            output: BufReader::new(output),
        };
        // Nobody has a row without a name: the answer means that all is loaded, so that nothing
        // is while ours is measured.
        server.ask("")?;
        Ok(server)
    }

    /// What its peers make of a row; nothing where none can do it.
    pub(crate) fn ask(&mut self, name: &str) -> Result<Vec<Finding>, PeersError> {
        let failed = || PeersError::io(self.what.clone());
        if let Some(input) = &mut self.input {
            writeln!(input, "{name}").map_err(failed())?;
            input.flush().map_err(failed())?;
        }
        let mut findings = Vec::new();
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).map_err(failed())? == 0 {
                return Err(PeersError::Failed(format!("{} ended at {name}", self.what)));
            }
            if line.trim().is_empty() {
                return Ok(findings);
            }
            let finding = serde_json::from_str(&line);
            findings.push(finding.map_err(PeersError::json(&self.what))?);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is the end of the process.
        self.input = None;
        // Best effort: all that it could say has been read.
        let _ = self.child.wait();
    }
}

/// Answers names on standard input until it ends.
pub(crate) fn serve(
    measure: impl Fn(&str) -> Result<Vec<Finding>, PeersError>,
) -> Result<(), PeersError> {
    let failed = || PeersError::io("standard input and output");
    for name in std::io::stdin().lock().lines() {
        let findings = measure(name.map_err(failed())?.trim())?;
        let mut output = std::io::stdout().lock();
        for finding in findings {
            let line = serde_json::to_string(&finding).map_err(PeersError::json("a finding"))?;
            writeln!(output, "{line}").map_err(failed())?;
        }
        writeln!(output).map_err(failed())?;
        output.flush().map_err(failed())?;
    }
    Ok(())
}
