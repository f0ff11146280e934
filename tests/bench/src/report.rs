//! What is told in the end: tables and goals in Markdown, a chart, and the parts of `docs/benchmarks.md` that they are.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};

use crate::chart;
use crate::figures::{Comparison, Ratio, Samples, short};
use crate::goals::{GOALS, Key};
use crate::machine;
use crate::program::Programs;

/// All that was measured.
pub(crate) struct Report {
    machine: String,
    sections: Vec<Section>,
    reached: Vec<(Key, f64, String)>,
    /// For the chart: processes, contender, how many times as fast as SQLite.
    pub(crate) speeds: Vec<(usize, String, f64)>,
    /// For the chart: tasks that wait, and how long a claim takes in seconds.
    pub(crate) backlog: Vec<(usize, f64)>,
}

/// One table, under the name that it has in `docs/benchmarks.md`.
struct Section {
    name: &'static str,
    text: String,
}

/// What one operation is told as.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shown {
    PerSecond,
    Milliseconds,
    Microseconds,
}

impl Shown {
    fn heading(self) -> &'static str {
        match self {
            Shown::PerSecond => "per second",
            Shown::Milliseconds => "ms",
            Shown::Microseconds => "µs",
        }
    }

    /// The median and the quartiles.
    pub(crate) fn told(self, samples: &Samples) -> String {
        let value = |seconds: f64| match self {
            Shown::PerSecond => 1.0 / seconds,
            Shown::Milliseconds => seconds * 1e3,
            Shown::Microseconds => seconds * 1e6,
        };
        let mut ends = [value(samples.quantile(0.25)), value(samples.quantile(0.75))];
        ends.sort_by(f64::total_cmp);
        let [lower, upper] = ends.map(short);
        format!("{} ({lower}–{upper})", short(value(samples.median())))
    }
}

impl Report {
    pub(crate) fn new(measured_in: &Path, programs: &Programs) -> Result<Report> {
        let machine = machine::told(measured_in, programs)?;
        Ok(Report { machine, sections: Vec::new(), reached: Vec::new(), speeds: Vec::new(), backlog: Vec::new() })
    }

    /// A table of comparisons that say how often one is as fast as each other one.
    pub(crate) fn speeds(&mut self, name: &'static str, comparisons: &[Comparison], shown: Shown, ours: &[&str]) {
        let mut rows = Vec::new();
        for comparison in comparisons {
            let our = ours.iter().find(|ours| comparison.samples(ours).is_some());
            for (other, samples) in &comparison.measured {
                let ratio = our.filter(|ours| *ours != other).and_then(|ours| comparison.speed(ours, other));
                let ratio = ratio.map_or(String::new(), |ratio| ratio.to_string());
                rows.push(vec![comparison.case.clone(), other.clone(), shown.told(samples), ratio]);
            }
        }
        self.table(name, &["", "", shown.heading(), "the queue is faster, times"], rows);
    }

    /// A table of comparisons that say how much longer everything takes than the first.
    pub(crate) fn costs(&mut self, name: &'static str, comparisons: &[Comparison], shown: Shown) {
        let mut rows = Vec::new();
        for comparison in comparisons {
            let base = comparison.measured.first();
            for (this, samples) in &comparison.measured {
                let ratio = base.filter(|(base, _)| base != this).map(|(_, base)| samples.over(base).to_string());
                rows.push(vec![comparison.case.clone(), this.clone(), shown.told(samples), ratio.unwrap_or_default()]);
            }
        }
        self.table(name, &["", "", shown.heading(), "against the first, times"], rows);
    }

    /// A table; numbers are on the right.
    pub(crate) fn table(&mut self, name: &'static str, headings: &[&str], rows: Vec<Vec<String>>) {
        if !rows.is_empty() {
            self.sections.push(Section { name, text: markdown(headings, rows) });
        }
    }

    /// Says how far a goal was reached, if it was measured.
    pub(crate) fn reach(&mut self, key: Key, ratio: Option<Ratio>) {
        self.reached.extend(ratio.map(|ratio| (key, ratio.of_medians, ratio.to_string())));
    }

    /// The same for one value.
    pub(crate) fn reach_value(&mut self, key: Key, value: f64) {
        self.reached.push((key, value, short(value)));
    }

    /// All of it, for whoever waits for it.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.machine);
        for Section { name, text: table } in &self.sections {
            text += &format!("\n## {name}\n\n{table}\n");
        }
        text + &format!("\n## goals\n\n{}\n", self.goals())
    }

    fn goals(&self) -> String {
        let rows = GOALS.iter().map(|goal| {
            let found = self.reached.iter().find(|(key, ..)| *key == goal.key);
            let (measured, reached) = match found {
                Some((_, value, told)) => (told.clone(), if goal.bound.holds(*value) { "yes" } else { "no" }),
                None => ("not measured".to_owned(), ""),
            };
            let measured = if found.is_some() { goal.bound.unit().of(measured) } else { measured };
            vec![goal.figure.to_owned(), goal.bound.told(), measured, reached.to_owned()]
        });
        markdown(&["figure", "at least", "measured", "reached"], rows.collect())
    }

    /// Leaves it in a directory.
    pub(crate) fn write_to(&self, output: &Path) -> Result<()> {
        fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
        fs::write(output.join("benchmarks.md"), self.markdown())?;
        fs::write(output.join("chart.svg"), chart::svg(self)?)?;
        eprintln!("written: {0}/benchmarks.md and {0}/chart.svg", output.display());
        Ok(())
    }

    /// Writes what was measured into the repository; what was not measured stays as it was.
    pub(crate) fn write_into(&self, root: &Path) -> Result<()> {
        let path = root.join("docs/benchmarks.md");
        let mut document = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        document = replaced(&document, "machine", &self.machine)?;
        for Section { name, text } in &self.sections {
            document = replaced(&document, name, text)?;
        }
        if self.reached.len() == GOALS.len() {
            document = replaced(&document, "goals", &self.goals())?;
        }
        fs::write(&path, document)?;
        if !self.speeds.is_empty() && !self.backlog.is_empty() {
            fs::write(root.join("docs/benchmarks.svg"), chart::svg(self)?)?;
        }
        Ok(())
    }
}

fn markdown(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(headings.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Between `<!-- bench: name -->` and the next `<!-- /bench -->`.
fn replaced(document: &str, name: &str, text: &str) -> Result<String> {
    let begin = format!("<!-- bench: {name} -->\n");
    let (before, rest) = document.split_once(&begin).with_context(|| format!("no {begin:?} in docs/benchmarks.md"))?;
    let (_, after) = rest.split_once("<!-- /bench -->").with_context(|| format!("{begin:?} has no end"))?;
    Ok(format!("{before}{begin}\n{text}\n\n<!-- /bench -->{after}"))
}
