//! What one file declares, imports and names. Macros are read as any other code.

use super::super::source::is_word;

/// A file as the graph needs it.
#[derive(Debug, Default)]
pub(super) struct Parsed {
    /// The modules declared as files of their own.
    pub(super) modules: Vec<String>,
    /// The names of the items of the file itself.
    pub(super) items: Vec<String>,
    pub(super) imports: Vec<Import>,
    pub(super) mentions: Vec<Mention>,
}

/// A leaf of a `use` declaration.
#[derive(Debug)]
pub(super) struct Import {
    /// What the file calls it; `*` for everything in a module.
    pub(super) name: String,
    pub(super) mention: Mention,
    /// Whether it is a re-export, to any extent.
    pub(super) public: bool,
}

/// A path in the code.
#[derive(Clone, Debug)]
pub(super) struct Mention {
    /// Without the first `super` or `self` where these stay within the file.
    pub(super) path: Vec<String>,
    /// From 1.
    pub(super) line: usize,
}

#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// What stands before the name of an item.
const ITEMS: &[&str] = &[
    "const",
    "enum",
    "fn",
    "macro_rules",
    "static",
    "struct",
    "trait",
    "type",
    "union",
];

/// Parses code whose comments, strings and tests are blanked out.
pub(super) fn parse(code: &str) -> Parsed {
    let mut parser = Parser {
        tokens: tokens(code),
        at: 0,
        depth: 0,
        inline: Vec::new(),
        parsed: Parsed::default(),
    };
    while parser.at < parser.tokens.len() {
        parser.step();
    }
    parser.parsed
}

/// Words, `::` and single characters.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (line, mut rest) in (1..).zip(code.lines()) {
        while let Some(first) = rest.chars().next() {
            let length = if rest.starts_with("::") {
                2
            } else if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            rest = after;
            if !first.is_whitespace() {
                tokens.push(Token { text, line });
            }
        }
    }
    tokens
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    /// How many brackets of any kind are open.
    depth: usize,
    /// For each module with a body that is open, the depth outside of it.
    inline: Vec<usize>,
    parsed: Parsed,
}

impl<'a> Parser<'a> {
    fn step(&mut self) {
        let before = self.at.checked_sub(1).map_or("", |i| self.tokens[i].text);
        match self.text(0) {
            "{" | "(" | "[" => self.depth += 1,
            "}" | ")" | "]" => {
                self.depth = self.depth.saturating_sub(1);
                self.inline.pop_if(|depth| *depth == self.depth);
            }
            "mod" => return self.module(),
            "pub" => return self.visibility(),
            // Another `use` says what an opaque type captures.
            "use" if self.text(1) != "<" => return self.import(before),
            word if word.starts_with(is_word) => return self.word(before),
            _ => {}
        }
        self.at += 1;
    }

    /// The text of the token that is `ahead` of the current one; empty behind the last.
    fn text(&self, ahead: usize) -> &'a str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| token.text)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    /// `mod name;`, or `mod name {`, where the name may be a macro's.
    fn module(&mut self) {
        let name = usize::from(self.text(1) == "$") + 1;
        match self.text(name + 1) {
            ";" => self.parsed.modules.push(self.text(name).to_owned()),
            "{" => self.inline.push(self.depth),
            _ => {}
        }
        self.at += name + 1;
    }

    /// `pub`, `pub(crate)`, `pub(in path)`: no path that the code needs.
    fn visibility(&mut self) {
        self.at += 1;
        if self.text(0) == "(" && matches!(self.text(1), "crate" | "super" | "self" | "in") {
            while !matches!(self.text(0), ")" | "") {
                self.at += 1;
            }
            self.at += 1;
        }
    }

    fn import(&mut self, before: &str) {
        self.at += 1;
        self.tree(Vec::new(), matches!(before, "pub" | ")"));
    }

    /// A tree of imports below `path`.
    fn tree(&mut self, mut path: Vec<String>, public: bool) {
        let mut name = String::new();
        loop {
            match self.text(0) {
                "{" => return self.branches(&path, public),
                "self" if !path.is_empty() => {}
                "*" => name = "*".to_owned(),
                "as" => {
                    self.at += 1;
                    name = self.text(0).to_owned();
                }
                word if word.starts_with(is_word) => {
                    name = word.to_owned();
                    path.push(name.clone());
                }
                // A path to another crate begins with it.
                "::" if path.is_empty() => path.push(String::new()),
                "::" => {}
                _ => break,
            }
            self.at += 1;
        }
        // `{self}` is called as its module.
        if name.is_empty() {
            name = path.last().cloned().unwrap_or_default();
        }
        let line = self.tokens[self.at.min(self.tokens.len()) - 1].line;
        let mention = self.mention(path, line);
        self.parsed.imports.push(Import {
            name,
            mention,
            public,
        });
    }

    fn branches(&mut self, path: &[String], public: bool) {
        self.at += 1;
        while !matches!(self.text(0), "}" | "") {
            self.tree(path.to_vec(), public);
            if self.text(0) == "," {
                self.at += 1;
            } else if self.text(0) != "}" {
                // No import: what a macro makes of one.
                break;
            }
        }
        self.at += 1;
    }

    /// A path, an item's name, or a word of the language.
    fn word(&mut self, before: &str) {
        let (line, first) = (self.line(), self.text(0));
        let mut path = vec![first.to_owned()];
        self.at += 1;
        while self.text(0) == "::" && self.text(1).starts_with(is_word) {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        if ITEMS.contains(&before) || self.names_macro() {
            if self.depth == 0 {
                self.parsed.items.push(first.to_owned());
            }
            return;
        }
        // A field or method, the rest of a path, or a macro's variable.
        let is_other = matches!(before, "." | "::") || (before == "$" && first != "crate");
        let is_named = path.len() > 1 || is_type(first) || matches!(self.text(0), "(" | "!");
        if !is_other && is_named {
            let mention = self.mention(path, line);
            self.parsed.mentions.push(mention);
        }
    }

    /// Whether the word before the current token is the name in `macro_rules! name`.
    fn names_macro(&self) -> bool {
        let three = self.at.checked_sub(3).map(|i| &self.tokens[i..self.at]);
        three.is_some_and(|t| t[0].text == "macro_rules" && t[1].text == "!")
    }

    /// `path` as seen from the file: a module with a body is a part of it.
    fn mention(&self, mut path: Vec<String>, line: usize) -> Mention {
        let supers = path.iter().take_while(|part| *part == "super").count();
        path.drain(..supers.min(self.inline.len()));
        Mention { path, line }
    }
}

/// Whether `word` is written as a type or a constant is.
fn is_type(word: &str) -> bool {
    word.starts_with(char::is_uppercase)
}
