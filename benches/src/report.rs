//! The figures of all rounds, and how they are shown: as text, as Markdown, as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::json;

use crate::bounds::{Judged, Verdict, shortened};
use crate::figures::{Figures, median};
use crate::plan::{Stack, Table};

/// Every figure of every round.
#[derive(Debug, Default)]
pub(crate) struct Results {
    rows: Vec<Row>,
    /// What was left out, and why.
    pub(crate) skipped: BTreeSet<String>,
    /// What failed, and how.
    pub(crate) failed: Vec<String>,
}

/// One scenario; a stack has a value of each figure for every round.
#[derive(Debug)]
struct Row {
    table: Table,
    title: String,
    /// The figures that are shown, and what they are.
    shown: Vec<(String, String)>,
    values: BTreeMap<Stack, BTreeMap<String, Vec<f64>>>,
}

/// A table as it is shown.
struct Shown {
    title: String,
    head: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl Results {
    /// Adds the figures of one run.
    pub(crate) fn add<S: AsRef<str>>(
        &mut self,
        table: Table,
        title: &str,
        shown: &[(S, S)],
        stack: Stack,
        figures: Figures,
    ) {
        let at = self.rows.iter().position(|row| row.title == title).unwrap_or_else(|| {
            let title = title.to_owned();
            self.rows.push(Row { table, title, shown: Vec::new(), values: BTreeMap::new() });
            self.rows.len() - 1
        });
        for (name, unit) in shown {
            // One stack may have a figure that another one has not.
            if !self.rows[at].shown.iter().any(|(known, _)| known == name.as_ref()) {
                self.rows[at].shown.push((name.as_ref().to_owned(), unit.as_ref().to_owned()));
            }
        }
        let values = self.rows[at].values.entry(stack).or_default();
        for (name, value) in figures {
            values.entry(name).or_default().push(value);
        }
    }

    /// Returns the median over the rounds.
    pub(crate) fn median(&self, title: &str, stack: Stack, figure: &str) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.title == title)?;
        median(row.values.get(&stack)?.get(figure)?)
    }

    fn tables(&self, judged: &[Judged]) -> Vec<Shown> {
        let tables: BTreeSet<Table> = self.rows.iter().map(|row| row.table).collect();
        let mut shown: Vec<Shown> = tables.into_iter().map(|table| self.table(table)).collect();
        shown.push(Shown {
            title: "Bounds".to_owned(),
            head: ["", "bound", "measured", ""].map(str::to_owned).to_vec(),
            lines: judged.iter().map(bound_line).collect(),
        });
        shown
    }

    fn table(&self, table: Table) -> Shown {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.table == table).collect();
        let stacks: BTreeSet<Stack> = rows.iter().flat_map(|row| row.values.keys().copied()).collect();
        let mut head = vec![String::new(), "unit".to_owned()];
        head.extend(stacks.iter().map(Stack::to_string));
        let mut lines = Vec::new();
        for row in rows {
            for (figure, unit) in &row.shown {
                let mut line = vec![row.title.clone(), unit.clone()];
                line.extend(
                    stacks.iter().map(|&stack| {
                        self.median(&row.title, stack, figure).map_or("-".to_owned(), shortened)
                    }),
                );
                lines.push(line);
            }
        }
        Shown { title: table.to_string(), head, lines }
    }

    /// Returns the tables as text for a terminal.
    pub(crate) fn text(&self, judged: &[Judged]) -> String {
        let mut text = String::new();
        for table in self.tables(judged) {
            let _ = writeln!(text, "\n{}\n", table.title);
            let columns: Vec<usize> = (0..table.head.len())
                .map(|column| {
                    let cells = std::iter::once(&table.head).chain(&table.lines);
                    cells.map(|line| line[column].chars().count()).max().unwrap_or(0)
                })
                .collect();
            for line in std::iter::once(&table.head).chain(&table.lines) {
                let mut out = String::new();
                for (at, (cell, &width)) in line.iter().zip(&columns).enumerate() {
                    let _ = if at == 0 || (at == 1 && table.title != "Bounds") {
                        write!(out, "{cell:<width$}  ")
                    } else {
                        write!(out, "{cell:>width$}  ")
                    };
                }
                let _ = writeln!(text, "{}", out.trim_end());
            }
        }
        for left_out in &self.skipped {
            let _ = writeln!(text, "\nskipped: {left_out}");
        }
        for failed in &self.failed {
            let _ = writeln!(text, "\nfailed: {failed}");
        }
        text
    }

    /// Returns the same as Markdown.
    pub(crate) fn markdown(&self, judged: &[Judged], about: &str) -> String {
        let mut text = format!("{about}\n");
        for table in self.tables(judged) {
            let _ = writeln!(text, "\n## {}\n", table.title);
            let _ = writeln!(text, "| {} |", table.head.join(" | "));
            let _ = writeln!(text, "|{}", "---|".repeat(table.head.len()));
            for line in &table.lines {
                let _ = writeln!(text, "| {} |", line.join(" | "));
            }
        }
        for left_out in &self.skipped {
            let _ = writeln!(text, "\nSkipped: {left_out}");
        }
        for failed in &self.failed {
            let _ = writeln!(text, "\nFailed: {failed}");
        }
        text
    }

    /// Returns everything that was measured.
    pub(crate) fn json(&self, judged: &[Judged], about: &str) -> serde_json::Value {
        let rows: Vec<_> = self
            .rows
            .iter()
            .flat_map(|row| row.values.iter().map(move |(stack, values)| (row, stack, values)))
            .map(|(row, stack, values)| {
                let medians: BTreeMap<&String, Option<f64>> =
                    values.iter().map(|(name, values)| (name, median(values))).collect();
                json!({
                    "table": row.table.to_string(), "row": row.title, "stack": stack.to_string(),
                    "medians": medians, "rounds": values,
                })
            })
            .collect();
        let bounds: Vec<_> = judged
            .iter()
            .map(|judged| {
                json!({
                    "what": judged.what, "limit": judged.limit.to_string(), "value": judged.value,
                    "verdict": judged.verdict.to_string(),
                })
            })
            .collect();
        json!({ "about": about, "rows": rows, "bounds": bounds, "skipped": self.skipped, "failed": self.failed })
    }
}

fn bound_line(judged: &Judged) -> Vec<String> {
    let value = judged.value.map_or("-".to_owned(), shortened);
    vec![judged.what.clone(), judged.limit.to_string(), value, judged.verdict.to_string()]
}

/// Returns whether no bound is broken.
pub(crate) fn all_hold(judged: &[Judged]) -> bool {
    judged.iter().all(|judged| judged.verdict != Verdict::Broken)
}
