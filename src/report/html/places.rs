//! The places of charts on a page, and what the page's script draws into them.

use serde::Serialize;

use super::markup::Html;

/// A chart, for the page's script.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    id: String,
    kind: ChartKind,
    unit: Unit,
    series: Vec<Series>,
}

impl Chart {
    /// The columns of the timeline that are drawn.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        let over_time = self.kind == ChartKind::Time;
        self.series.iter().filter(move |_| over_time).map(|series| series.key.as_str())
    }
}

/// What is on the horizontal axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ChartKind {
    /// The time of the run.
    Time,
    /// The part that took longer.
    Curve,
}

/// What figures are in.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) enum Unit {
    /// Microseconds, shown as whatever fits.
    #[serde(rename = "us")]
    Micros,
    /// A number.
    #[serde(rename = "")]
    Number,
    /// A number per second.
    #[serde(rename = "/s")]
    PerSecond,
    /// Percent.
    #[serde(rename = "%")]
    Percent,
}

/// A line of a chart.
#[derive(Debug, Serialize)]
pub(super) struct Series {
    /// The run that it is of, by its place among those of the page.
    pub(super) run: usize,
    /// The column of the timeline, or the curve.
    pub(super) key: String,
    pub(super) label: String,
    /// One of the page's colours, by number; with a stroke of its own.
    pub(super) colour: usize,
    /// Whether the area under it is filled.
    pub(super) fill: bool,
}

/// The charts of a page, and the part of it that has their places.
#[derive(Default)]
pub(super) struct Places {
    pub(super) charts: Vec<Chart>,
    pub(super) html: Html,
}

impl Places {
    /// The place of a chart on the page; one that is hidden is shown on demand.
    pub(super) fn place(
        &mut self,
        id: &str,
        caption: &str,
        kind: ChartKind,
        unit: Unit,
        series: Vec<Series>,
        hidden: bool,
    ) {
        if series.is_empty() {
            return;
        }
        let class = if kind == ChartKind::Curve { "chart curve" } else { "chart" };
        let mut attributes = vec![("class", class), ("data-chart", id)];
        if hidden {
            attributes.push(("hidden", ""));
        }
        self.html.open("figure", &attributes).open("figcaption", &[]);
        match caption.split_once(": ") {
            Some((title, note)) => self.html.el("b", &[], title).text(format_args!(" {note}")),
            None => self.html.el("b", &[], caption),
        };
        self.html.close("figcaption").raw("<div class=\"plot\"></div>\n");
        self.html.raw("<details class=\"data\"><summary>as a table</summary></details>").close("figure");
        self.charts.push(Chart { id: id.to_owned(), kind, unit, series });
    }
}
