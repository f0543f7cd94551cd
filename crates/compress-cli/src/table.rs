//! Tables in plain columns.

/// The side of a column that its cells stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Columns two blanks apart, with a line of heads. The last column has no blanks behind it.
pub(crate) fn table(heads: &[(&str, Side)], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let cells = cells.map(|cell| cell.chars().count());
        cells
            .max()
            .unwrap_or(0)
            .max(heads[column].0.chars().count())
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells
            .iter()
            .zip(heads)
            .zip(&widths)
            .map(|((cell, (_, side)), width)| {
                let blanks = " ".repeat(width - cell.chars().count());
                match side {
                    Side::Left => format!("{cell}{blanks}"),
                    Side::Right => format!("{blanks}{cell}"),
                }
            });
        let line = padded.collect::<Vec<_>>().join("  ");
        format!("{}\n", line.trim_end())
    };
    let mut text = line(heads.iter().map(|(head, _)| *head).collect());
    for row in rows {
        text += &line(row.iter().map(String::as_str).collect());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let heads = [("name", Side::Left), ("bytes", Side::Right)];
        let rows = [
            vec!["é".into(), "123456".into()],
            vec!["long one".into(), "7".into()],
        ];
        let expected = "name       bytes\né         123456\nlong one       7\n";
        assert_eq!(table(&heads, &rows), expected);
    }
}
