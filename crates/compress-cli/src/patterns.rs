//! Patterns that choose tensors by name: `*` stands for any characters, `?` for one.

use compress_io::TensorInfo;
use wildmatch::WildMatch;

use crate::failure::{Done, Failure};

/// Whether a name fits a pattern.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    WildMatch::new(pattern).matches(name)
}

/// Fails at the first pattern that no tensor fits, and shows the nearest names.
pub(crate) fn check<'a>(
    patterns: impl IntoIterator<Item = &'a str>,
    tensors: &[TensorInfo],
) -> Done {
    for pattern in patterns {
        if !tensors.iter().any(|info| fits(pattern, &info.name)) {
            let near = nearest(pattern, tensors).join(", ");
            let text =
                format!("the pattern {pattern:?} fits no tensor; the nearest names are {near}");
            return Err(Failure::Usage(text));
        }
    }
    Ok(())
}

/// The names with the longest common parts with a pattern.
fn nearest<'a>(pattern: &str, tensors: &'a [TensorInfo]) -> Vec<&'a str> {
    const SHOWN: usize = 5;
    let wanted = pattern.to_lowercase();
    let mut names: Vec<(usize, &str)> = tensors
        .iter()
        .map(|info| {
            (
                distance(&wanted, &info.name.to_lowercase()),
                info.name.as_str(),
            )
        })
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|(_, name)| name)
        .take(SHOWN)
        .collect()
}

/// Single characters that must be put in, taken out or changed; what `*` stands for counts nothing.
fn distance(pattern: &str, name: &str) -> usize {
    let name: Vec<char> = name.chars().collect();
    let mut before: Vec<usize> = (0..=name.len()).collect();
    for wanted in pattern.chars() {
        let is_star = wanted == '*';
        let mut row = vec![before[0] + usize::from(!is_star)];
        for (i, &found) in name.iter().enumerate() {
            let same = wanted == found || wanted == '?';
            row.push(match is_star {
                true => before[i].min(before[i + 1]).min(row[i]),
                false => (before[i] + usize::from(!same))
                    .min(before[i + 1] + 1)
                    .min(row[i] + 1),
            });
        }
        before = row;
    }
    before.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use compress_io::Dtype;

    use super::*;

    fn tensors() -> Vec<TensorInfo> {
        [
            "blk.0.attn_q.weight",
            "blk.0.ffn_up.weight",
            "output.weight",
        ]
        .map(|name| TensorInfo::new(name, Dtype::F32, [2, 2]))
        .to_vec()
    }

    #[test]
    fn stars_stand_for_anything() {
        assert!(fits("blk.*.attn_?.weight", "blk.12.attn_q.weight"));
        assert!(!fits("blk.*", "output.weight"));
        assert!(!fits("attn", "attn_q"), "the whole name must fit");
    }

    #[test]
    fn a_pattern_without_a_tensor_is_refused_with_the_nearest_names() {
        assert!(check(["*", "output.*"], &tensors()).is_ok());
        let error = check(["blk.*.atn_q.weight"], &tensors()).unwrap_err();
        let text = error.to_string();
        let first = text.find("blk.0.attn_q").unwrap();
        assert!(first < text.find("output.weight").unwrap(), "{text}");
    }
}
