//! A table that the page's script can sort.

use super::markup::Html;

/// A column: its heading, and whether it is of figures.
#[derive(Clone, Copy)]
pub(super) struct Column {
    heading: &'static str,
    is_figure: bool,
}

/// A column of words.
pub(super) const fn words(heading: &'static str) -> Column {
    Column { heading, is_figure: false }
}

/// A column of figures.
pub(super) const fn figures(heading: &'static str) -> Column {
    Column { heading, is_figure: true }
}

/// A table; it is written row by row.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Html,
    cell: usize,
    is_empty: bool,
}

impl Table {
    /// Without rows yet.
    pub(super) fn new(columns: &[Column]) -> Table {
        Table { columns: columns.to_vec(), rows: Html::new(), cell: 0, is_empty: true }
    }

    /// Whether there are no rows.
    pub(super) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// The next cell, of words.
    pub(super) fn text(&mut self, text: &str) -> &mut Table {
        self.cell(None, |html| {
            html.text(text);
        })
    }

    /// The next cell, of something written by `fill`.
    pub(super) fn with(&mut self, fill: impl FnOnce(&mut Html)) -> &mut Table {
        self.cell(None, fill)
    }

    /// The next cell, of a figure: what to sort it by, and how it is shown.
    pub(super) fn figure(&mut self, value: Option<f64>, shown: &str) -> &mut Table {
        self.cell(Some(value), |html| {
            html.text(shown);
        })
    }

    /// The next cell, of words that have an order of their own.
    pub(super) fn ranked(&mut self, rank: f64, fill: impl FnOnce(&mut Html)) -> &mut Table {
        self.cell(Some(Some(rank)), fill)
    }

    fn cell(&mut self, value: Option<Option<f64>>, fill: impl FnOnce(&mut Html)) -> &mut Table {
        if self.cell == 0 {
            self.rows.open("tr", &[]);
        }
        self.is_empty = false;
        let tag = if self.cell == 0 { "th" } else { "td" };
        let value = value.map(|value| value.map(|value| value.to_string()).unwrap_or_default());
        let mut attributes = Vec::new();
        if self.cell == 0 {
            attributes.push(("scope", "row"));
        }
        if self.columns.get(self.cell).is_some_and(|column| column.is_figure) {
            attributes.push(("class", "n"));
        }
        if let Some(value) = &value {
            attributes.push(("data-v", value));
        }
        self.rows.open(tag, &attributes);
        fill(&mut self.rows);
        self.rows.close(tag);
        self.cell += 1;
        if self.cell == self.columns.len() {
            self.rows.close("tr");
            self.cell = 0;
        }
        self
    }

    /// The table under its caption.
    pub(super) fn html(&self, id: &'static str, caption: &str) -> Html {
        let mut html = Html::new();
        html.open(
            "div",
            &[("class", "scroll"), ("role", "region"), ("aria-label", caption), ("tabindex", "0")],
        );
        html.open("table", &[("class", "sortable"), ("id", id)]).el("caption", &[], caption);
        html.open("thead", &[]).open("tr", &[]);
        for column in &self.columns {
            let class = if column.is_figure { "n" } else { "" };
            html.el("th", &[("scope", "col"), ("class", class)], column.heading);
        }
        html.close("tr").close("thead").open("tbody", &[]).put(&self.rows).close("tbody");
        html.close("table").close("div");
        html
    }
}
