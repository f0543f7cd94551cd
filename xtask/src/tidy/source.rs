//! A Rust file as the rules see it: its text, and its code with comments and strings blanked out.
//!
//! This is a scanner of tokens and not a parser: it knows comments, strings, characters and
//! matching braces, which is what the rules need, and nothing else.

use std::ops::Range;
use std::path::PathBuf;

use super::Finding;

/// A Rust file.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Relative to the root of the workspace.
    pub(super) path: PathBuf,
    /// As it is.
    pub(super) text: String,
    /// Comments, strings and characters replaced by spaces; as long as the text, line by line.
    pub(super) code: String,
    /// Comments alone replaced by spaces.
    pub(super) uncommented: String,
}

impl Source {
    pub(super) fn new(path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let text = text.into();
        let tokens = scan(&text);
        let of_kind = |strings: bool| {
            let kept = tokens
                .iter()
                .filter(move |(_, kind)| strings || *kind == Kind::Comment);
            kept.map(|(range, _)| range.clone())
        };
        Source {
            path: path.into(),
            code: blank(&text, of_kind(true)),
            uncommented: blank(&text, of_kind(false)),
            text,
        }
    }

    /// Whether the whole file is tests, by its name or folder.
    pub(super) fn is_test(&self) -> bool {
        let is_tests = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
        self.path.iter().any(is_tests)
    }

    /// The code without items marked `#[cfg(test)]`; empty where the whole file is tests.
    pub(super) fn code_without_tests(&self) -> String {
        if self.is_test() {
            return String::new();
        }
        let tests = self.code.match_indices("#[cfg(test)]");
        let tests = tests.map(|(start, _)| start..item_end(&self.code, start));
        blank(&self.code, tests)
    }

    /// One finding for each line of code outside of tests that `is_bad` and is not exempted.
    pub(super) fn findings(&self, is_bad: impl Fn(&str) -> bool, message: &str) -> Vec<Finding> {
        let code = self.code_without_tests();
        let lines = (1..).zip(code.lines());
        lines
            .filter(|(number, line)| is_bad(line) && !self.is_allowed(*number))
            .map(|(number, _)| Finding::new(&self.path, number, message))
            .collect()
    }

    /// Whether the line (from 1) ends in `// tidy: allow(<why>)`.
    pub(super) fn is_allowed(&self, line: usize) -> bool {
        let line = self.text.lines().nth(line - 1).unwrap_or_default();
        line.split_once("// tidy: allow(").is_some_and(|(_, why)| {
            let why = why.trim_end().strip_suffix(')');
            why.is_some_and(|why| !why.trim().is_empty())
        })
    }
}

/// The lines of `code` (from 1) with `word` on them, standing by itself.
pub(super) fn lines_with_word(code: &str, word: &str) -> Vec<usize> {
    let lines = code.lines().enumerate();
    lines
        .filter(|(_, line)| has_word(line, word))
        .map(|(i, _)| i + 1)
        .collect()
}

/// Whether `word` is in `text` and no part of a longer word.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Whether `c` can be part of a name.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Comment,
    Literal,
}

/// The comments and the text literals of `text`, in order.
fn scan(text: &str) -> Vec<(Range<usize>, Kind)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let token = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => Some((line_end(bytes, at), Kind::Comment)),
            b'/' if bytes[at..].starts_with(b"/*") => {
                Some((block_comment_end(bytes, at), Kind::Comment))
            }
            b'"' => Some((string_end(bytes, at + 1), Kind::Literal)),
            b'r' if !follows_word(bytes, at) => {
                raw_string_end(bytes, at).map(|end| (end, Kind::Literal))
            }
            b'\'' => character_end(text, at).map(|end| (end, Kind::Literal)),
            _ => None,
        };
        match token {
            Some((end, kind)) => {
                found.push((at..end, kind));
                at = end;
            }
            None => at += 1,
        }
    }
    found
}

/// Whether the byte before `at` makes it the middle of a name. The prefixes `b` and `c` do not.
fn follows_word(bytes: &[u8], at: usize) -> bool {
    let word = |i: usize| bytes[i].is_ascii_alphanumeric() || bytes[i] == b'_';
    match at.checked_sub(1) {
        None => false,
        Some(i) if matches!(bytes[i], b'b' | b'c') => i > 0 && word(i - 1),
        Some(i) => word(i),
    }
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    let length = bytes[at..].iter().position(|&b| b == b'\n');
    length.map_or(bytes.len(), |length| at + length)
}

/// Block comments nest.
fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// Where the string ends whose first character is at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Where the raw string ends that begins with the `r` at `start`; `None` where it is none.
fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..]
        .iter()
        .take_while(|&&b| b == b'#')
        .count();
    let open = start + 1 + hashes;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let body = &bytes[open + 1..];
    let length = body.windows(close.len()).position(|w| w == close);
    Some(length.map_or(bytes.len(), |length| open + 1 + length + close.len()))
}

/// Where the character ends that begins at `start`; `None` where it is a lifetime or a label.
fn character_end(text: &str, start: usize) -> Option<usize> {
    let rest = &text[start + 1..];
    let mut chars = rest.char_indices();
    let (_, first) = chars.next()?;
    if first == '\\' {
        // What is escaped may be a quote itself.
        let (_, escaped) = chars.next()?;
        let after = 1 + escaped.len_utf8();
        let end = rest[after..].find('\'')?;
        return Some(start + 1 + after + end + 1);
    }
    let (second, quote) = chars.next()?;
    (quote == '\'').then_some(start + 1 + second + 1)
}

/// Where the item ends that begins at `start` of `code`: at its `;`, or at the brace that closes
/// its body.
fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0i32;
    for (i, c) in code[start..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth -= 1;
                if depth <= 0 && c == '}' {
                    return start + i + 1;
                }
            }
            ';' if depth == 0 => return start + i + 1,
            _ => {}
        }
    }
    code.len()
}

/// `text` with spaces for everything in `ranges` but line ends, so that lines keep their numbers.
fn blank(text: &str, ranges: impl Iterator<Item = Range<usize>>) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for range in ranges {
        for byte in &mut bytes[range] {
            if !matches!(*byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }
    // Ranges begin and end at whole characters, so nothing is lost here.
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn comments_and_strings_are_blanked() {
        // Expected with each run of spaces as one, because how many there are is checked apart.
        let cases = [
            ("a // unsafe\nb", "a \nb"),
            ("a /* x /* y */ z */ b", "a b"),
            ("f(\"un\\\"safe\") b", "f( ) b"),
            ("r#\"a\"b\"# c", " c"),
            ("br\"\\\" c", "b c"),
            ("'\"' c", " c"),
            ("'\\'' c '\\u{1F600}' d", " c d"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("for r in x {}", "for r in x {}"),
            ("'é' x", " x"),
            ("\"open", " "),
            ("a\"\\", "a "),
        ];
        for (text, expected) in cases {
            let code = Source::new("a.rs", text).code;
            assert_eq!(code.len(), text.len(), "of {text}");
            let mut short = code.clone();
            while short.contains("  ") {
                short = short.replace("  ", " ");
            }
            assert_eq!(short, expected, "of {text}");
        }
    }

    #[test]
    fn strings_stay_where_only_comments_go() {
        let source = Source::new("a.rs", "x(\"a // b\") // c");
        assert_eq!(source.uncommented, "x(\"a // b\")     ");
    }

    #[test]
    fn tests_are_cut_out() {
        let text = "fn a() {}\n#[cfg(test)]\nmod t {\n fn b() { [1; 2]; }\n}\nfn c() {}\n\
                    #[cfg(test)]\nmod tests;\nfn d() {}";
        let code = Source::new("src/a.rs", text).code_without_tests();
        for (word, there) in [
            ("a", true),
            ("b", false),
            ("c", true),
            ("tests", false),
            ("d", true),
        ] {
            assert_eq!(has_word(&code, word), there, "{word} in {code}");
        }
        assert_eq!(code.lines().count(), text.lines().count());
        assert_eq!(
            Source::new("tests/a.rs", "fn a() {}").code_without_tests(),
            ""
        );
        assert_eq!(
            Source::new("src/gemm/tests.rs", "fn a() {}").code_without_tests(),
            ""
        );
    }

    #[test]
    fn a_line_is_allowed_only_with_a_reason() {
        let text = "a // tidy: allow(exact here)\nb // tidy: allow()\nc";
        let source = Source::new("a.rs", text);
        assert_eq!(
            [1, 2, 3].map(|i| source.is_allowed(i)),
            [true, false, false]
        );
    }

    #[test]
    fn words_stand_by_themselves() {
        assert_eq!(
            lines_with_word("unsafe_code\nunsafe {\nnot_unsafe", "unsafe"),
            [2]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_scanned_without_panic(text in r#"[a-z/*"'\\#{}();\[\]é\n ]{0,60}"#) {
            let source = Source::new("a.rs", text.as_str());
            prop_assert_eq!(source.code.len(), text.len());
            prop_assert_eq!(source.code.lines().count(), text.lines().count());
            let _ = source.code_without_tests();
        }
    }
}
