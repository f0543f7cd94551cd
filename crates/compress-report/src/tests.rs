//! Documents with everything in them, and with as little as there can be.

use super::plots::{self, Bar, FrontierPoint, Group, Histogram, LayerWeights, Line, Panel, Svg};
use super::plots::{Sweep, picture};
use super::*;

/// What must be escaped everywhere.
const ODD: &str = "a <b> & \"c\" | `d`";

/// A document with every kind of section and of plot.
fn everything() -> Document {
    Document {
        title: ODD.into(),
        variant: Some(Fact::text("profile", "full")),
        headline: Some("3 | 4".into()),
        facts: vec![
            Fact::text("data set", ODD),
            Fact::code("hash", "00c0ffee"),
            Fact::code("odd hash", ODD),
        ],
        command: Some("run --name '<784>'".into()),
        sections: vec![
            Section::Table(table()),
            Section::Figure(Figure {
                title: ODD.into(),
                caption: ODD.into(),
                plots: every_plot(ODD, 100.0),
            }),
            Section::Figure(Figure {
                title: "without plots".into(),
                caption: String::new(),
                plots: Vec::new(),
            }),
            Section::Table(Table {
                title: "without rows".into(),
                rows: Vec::new(),
                ..table()
            }),
        ],
    }
}

fn table() -> Table {
    Table {
        title: "Sizes".into(),
        note: "In bytes.".into(),
        columns: vec![Column::text(ODD), Column::number("n")],
        rows: vec![
            vec!["x".into(), "1,234".into(), "beyond the columns".into()],
            vec!["a row of one cell".into()],
            Vec::new(),
        ],
    }
}

/// All plots, with this name and this number wherever one can be given.
fn every_plot(name: &str, number: f64) -> Vec<Svg> {
    let point = |published, bytes| FrontierPoint {
        label: name.into(),
        bytes,
        error_percent: number,
        published,
    };
    let points = [point(false, 10), point(true, usize::MAX), point(false, 0)];
    let line = |colour, points| Line {
        label: name.into(),
        colour,
        points,
    };
    let points_of_line = vec![(1.0, 2.0), (2.0, number), (number, 3.0)];
    let panel = Panel {
        unit: name.into(),
        lines: vec![line(0, points_of_line), line(usize::MAX, Vec::new())],
    };
    let bar = |percent| Bar {
        label: name.into(),
        percent,
    };
    let group = Group {
        name: name.into(),
        bars: vec![bar(12.5), bar(number)],
    };
    let histogram = |low: f64| Histogram {
        layer: name.into(),
        low: low as f32,
        high: 101.0,
        before: vec![1, 20, u64::MAX],
        after: vec![3],
    };
    let sweep = Sweep {
        error: name.into(),
        models: vec![(number, 2.0), (20.0, number)],
        means: vec![(15.0, number)],
        published: points.to_vec(),
    };
    let layer = LayerWeights {
        layer: name.into(),
        inputs: 4,
        values: vec![number as f32; 8],
    };
    let counts = [number as f32; 4];
    let layers = [layer];
    let drawn = [
        plots::frontier(&points, name, name).expect("drawn"),
        Some(plots::curves(name, [&panel, &panel]).expect("drawn")),
        plots::bars(name, &[group]).expect("drawn"),
        plots::histogram(&histogram(number)).expect("drawn"),
        plots::sweep(&sweep).expect("drawn"),
        plots::pixels(2, &counts),
        plots::weights(&layers, 2),
        picture(&layers, 2, &counts),
    ];
    drawn.into_iter().flatten().collect()
}

#[test]
fn markdown_is_laid_out_in_columns() {
    let expected = r#"# a \<b> & "c" \| \`d\` (full profile)

**3 \| 4.**

Data set a \<b> & "c" \| \`d\`, hash `00c0ffee`, odd hash a \<b> & "c" \| \`d\`. To reproduce:

```sh
run --name '<784>'
```

## Sizes

In bytes.

| a \<b> & "c" \| \`d\` |     n |
| --------------------- | ----: |
| x                     | 1,234 |
| a row of one cell     |
|
"#;
    assert_eq!(everything().markdown(), expected);
}

#[test]
fn what_a_document_has_not_is_left_out() {
    let titled = |facts, command: Option<&str>| Document {
        title: "t".into(),
        facts,
        command: command.map(str::to_owned),
        ..Document::default()
    };
    let fact = || vec![Fact::text("seed", "7")];
    for (document, expected) in [
        (titled(Vec::new(), None), "# t\n"),
        (titled(fact(), None), "# t\n\nSeed 7.\n"),
        (
            titled(Vec::new(), Some("run")),
            "# t\n\nTo reproduce:\n\n```sh\nrun\n```\n",
        ),
    ] {
        assert_eq!(document.markdown(), expected);
        assert_balanced(&document.html());
    }
}

#[test]
fn html_holds_everything_and_loads_nothing() {
    let html = everything().html();
    for text in [
        "<title>a &lt;b&gt; &amp; &quot;c&quot; | `d` – compression report</title>",
        "<p class=\"result\">3 | 4.</p>",
        "<dt>profile</dt><dd>full</dd>",
        "<dt>hash</dt><dd>00c0ffee</dd>",
        "<code>run --name &#39;&lt;784&gt;&#39;</code>",
        "<h2>Sizes</h2>",
        "<td>x</td><td class=\"number\">1,234</td></tr>",
    ] {
        assert!(html.contains(text), "{text} is missing");
    }
    assert!(!html.contains("beyond the columns") && !html.contains(">without "));
    assert!(!html.contains("<script") && !html.contains("<b>"));
    assert_eq!(html.matches("<svg role=\"img\"").count(), 8);
    // The only address is the name of SVG's own namespace.
    let addresses = html.matches("://").count();
    assert_eq!(
        addresses,
        html.matches("http://www.w3.org/2000/svg").count()
    );
}

#[test]
fn html_is_balanced() {
    assert_balanced(&everything().html());
    assert_balanced(&Document::default().html());
}

/// Every tag that is opened is closed, in the right order.
fn assert_balanced(html: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html.trim_start_matches("<!DOCTYPE html>");
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = after.split_once('>').expect("a tag ends");
        rest = after;
        let name = tag
            .split([' ', '/'])
            .find(|part| !part.is_empty())
            .unwrap_or("");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "closed by </{name}>");
        } else if !tag.ends_with('/') && name != "meta" {
            open.push(name);
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn every_name_and_number_can_be_drawn() {
    let long = "long ".repeat(300);
    for name in ["", "\n", ODD, &long] {
        for number in [
            0.0,
            -3.0,
            5e-324,
            1e-30,
            f64::MAX,
            f64::MIN,
            f64::NAN,
            f64::INFINITY,
        ] {
            let plots = every_plot(name, number);
            assert!(plots.len() >= 6, "{name:?} and {number}: {}", plots.len());
            assert_eq!(plots, every_plot(name, number));
        }
    }
}

#[test]
fn json_ends_in_a_newline_and_takes_any_number() {
    assert_eq!(
        json(&[Some(1.5), None]).expect("numbers"),
        "[\n  1.5,\n  null\n]\n"
    );
    assert_eq!(json(&f64::NAN).expect("a number"), "null\n");
    let keys_of_lists = std::collections::BTreeMap::from([([1], 2)]);
    assert!(matches!(json(&keys_of_lists), Err(Error::Json(_))));
}
