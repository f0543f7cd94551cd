//! The rule on small crates.

use super::*;

/// What is found in a crate of this name with these files below `src`.
fn found(name: &str, files: &[(&str, &str)]) -> Vec<String> {
    let sources = files.iter().map(|(path, text)| {
        let path = format!("crates/{name}/src/{path}");
        Source::new(path, *text)
    });
    let workspace = Workspace {
        sources: sources.collect(),
        ..Workspace::default()
    };
    check(&workspace).iter().map(Finding::to_string).collect()
}

/// The circles in a crate with these files, as the arrows that its message names.
fn circles_of(files: &[(&str, &str)]) -> Vec<String> {
    let found = found("compress-nn", files);
    let arrows = found.iter().map(|text| {
        let (_, arrows) = text.split_once("in a circle: ").expect("a circle");
        let (arrows, _) = arrows.split_once(';').expect("advice");
        arrows.to_owned()
    });
    arrows.collect()
}

const ROOT: (&str, &str) = ("lib.rs", "mod a;\nmod b;\nmod c;\n");

#[test]
fn a_tree_without_circles_passes() {
    let files = [
        (
            "lib.rs",
            "mod a;\nmod b;\nmod error;\npub use a::{A, B};\npub use error::*;",
        ),
        (
            "error.rs",
            "pub enum Error { Shape }\npub type Result<T> = T;",
        ),
        // Re-exports alone, and a name that another file's own module explains.
        (
            "a/mod.rs",
            "mod own;\nmod other;\npub use self::own::A;\npub(crate) use other::B;",
        ),
        (
            "a/own.rs",
            "use super::B;\nuse crate::Result;\npub struct A(B);",
        ),
        (
            "a/other.rs",
            "pub struct B;\nimpl B { fn f() -> crate::Error { crate::Error::Shape } }",
        ),
        (
            "b.rs",
            "use crate::a;\nuse crate::{A, Error as E};\nfn f() { a::B; self.a(); }",
        ),
    ];
    assert!(circles_of(&files).is_empty(), "{:?}", circles_of(&files));
}

#[test]
fn a_circle_of_imports_fails() {
    let files = [
        ROOT,
        (
            "a.rs",
            "\nuse crate::b::{\n    B,\n    C as D,\n};\npub struct A;",
        ),
        ("b.rs", "use super::c;\n\npub struct B;\nfn f() { c::f() }"),
        ("c.rs", "use std::fmt;\npub fn f(a: &crate::a::A) {}"),
    ];
    let texts = found("compress-nn", &files);
    let arrows = "a.rs:3 needs b.rs, b.rs:4 needs c.rs, c.rs:2 needs a.rs";
    assert_eq!(circles_of(&files), [arrows]);
    assert!(
        texts[0].starts_with("crates/compress-nn/src/a.rs:3: modules need"),
        "{texts:?}"
    );
}

#[test]
fn the_shortest_circle_of_each_knot_is_named() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\nmod e;"),
        ("a.rs", "use crate::b::B;\npub struct A;"),
        ("b.rs", "use crate::c::C;\npub struct B;"),
        ("c.rs", "use crate::a::A;\nuse crate::b::B;\npub struct C;"),
        ("d.rs", "use crate::e::E;\nuse crate::a::A;\npub struct D;"),
        ("e.rs", "use crate::d::D;\npub struct E;"),
    ];
    let expected = [
        "b.rs:1 needs c.rs, c.rs:2 needs b.rs",
        "d.rs:1 needs e.rs, e.rs:1 needs d.rs",
    ];
    assert_eq!(circles_of(&files), expected);
}

#[test]
fn a_circle_through_the_parent_fails() {
    let child = (
        "a/own.rs",
        "use super::Init;\npub(super) fn f(init: Init) {}",
    );
    let circle = ["a/mod.rs:3 needs a/own.rs, a/own.rs:1 needs a/mod.rs"];
    for parent in [
        "mod own;\npub enum Init { Zero }\nfn g() { own::f(Init::Zero) }",
        "mod own;\npub enum Init { Zero }\nfn g() { self::own::f(Init::Zero) }",
        "mod own;\npub enum Init { Zero }\nuse self::own::f;",
        // Passed on, and called as well.
        "mod own;\npub enum Init { Zero } pub use self::own::f;\nfn g() { f(Init::Zero) }",
        "mod own;\npub enum Init { Zero }\nmacro! { a, own::f(Init::Zero) }",
    ] {
        let files = [("lib.rs", "mod a;"), ("a/mod.rs", parent), child];
        assert_eq!(circles_of(&files), circle, "{parent}");
    }
    for parent in [
        "mod own;\npub enum Init { Zero }",
        "mod own;\npub enum Init { Zero }\npub use self::own::f;",
        "mod own;\npub enum Init { Zero }\npub(in crate::a) use own::{f as g};",
        "mod own;\npub enum Init { Zero }\npub use own::*;",
        // A method, and something else of this name.
        "mod own;\npub enum Init { Zero }\nfn own(own: x::Own) { own.f(Init::Zero); y::own::f() }",
    ] {
        let files = [("lib.rs", "mod a;"), ("a/mod.rs", parent), child];
        assert!(circles_of(&files).is_empty(), "{parent}");
    }
}

#[test]
fn a_module_beside_its_folder_is_the_parent() {
    let files = [
        ("lib.rs", "mod a;"),
        ("a.rs", "mod own;\npub struct A;\nfn f() { own::f() }"),
        ("a/own.rs", "pub fn f(a: super::A) {}"),
    ];
    let circle = ["a.rs:3 needs a/own.rs, a/own.rs:1 needs a.rs"];
    assert_eq!(circles_of(&files), circle);
    // Everything in it is needed, whatever it is.
    let all = ("a/own.rs", "use super::*;\npub fn f() {}");
    assert_eq!(circles_of(&[files[0], files[1], all]), circle);
}

#[test]
fn modules_with_a_body_are_part_of_their_file() {
    let files = [
        ("lib.rs", "mod a;"),
        (
            "a/mod.rs",
            "pub mod own;\npub struct A;\nfn f() { own::f() }",
        ),
        (
            "a/own.rs",
            "pub fn f() {}\nmacro_rules! m { ($n:ident) => { mod $n { use super::f; } } }\n\
             mod b { use super::*; mod c { use super::super::f; fn g() { super::super::f() } } }",
        ),
    ];
    assert!(circles_of(&files).is_empty(), "{:?}", circles_of(&files));
    let out = (
        "a/own.rs",
        "pub fn f() {}\nmod b {\nuse super::super::A;\n}",
    );
    let circle = ["a/mod.rs:3 needs a/own.rs, a/own.rs:3 needs a/mod.rs"];
    assert_eq!(circles_of(&[files[0], files[1], out]), circle);
}

#[test]
fn tests_comments_and_allowed_lines_need_nothing() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\n#[cfg(test)]\nmod c;"),
        (
            "a.rs",
            "#[cfg(test)]\nmod tests;\n\n/// [`crate::c::C`]\npub struct A;\nuse crate::b::B;",
        ),
        ("a/tests.rs", "use crate::b::B;\nfn f() { super::A; }"),
        (
            "b.rs",
            "pub struct B;\nuse crate::a::A; // tidy: allow(for this test)\n\
             #[cfg(test)]\nmod tests { use super::*; use crate::a::A; }",
        ),
        ("c.rs", "use crate::b::B;\nuse crate::a::A;"),
    ];
    assert!(circles_of(&files).is_empty(), "{:?}", circles_of(&files));
}

#[test]
fn an_upward_import_fails_in_core_alone() {
    let root = "mod error;\nmod kernels;\nmod ops;\nmod network;\npub use network::Network;";
    let files = [
        ("lib.rs", root),
        ("error.rs", "pub struct Error;"),
        ("kernels/mod.rs", "mod own;\npub use own::K;"),
        (
            "kernels/own.rs",
            "use crate::error::Error;\npub struct K(crate::ops::F);",
        ),
        (
            "ops.rs",
            "use crate::{Network, error};\npub struct F(error::Error);",
        ),
        ("network.rs", "use crate::kernels::K;\npub struct Network;"),
    ];
    let upward = [
        "crates/compress-core/src/kernels/own.rs:2: kernels/own.rs belongs to kernels and needs \
         ops.rs of operations, a floor above; move what it needs down",
        "crates/compress-core/src/ops.rs:1: ops.rs belongs to operations and needs network.rs of \
         contracts, a floor above; move what it needs down",
    ];
    let found_in = |name: &str| {
        let mut found = found(name, &files);
        found.retain(|text| !text.contains("in a circle"));
        found
    };
    assert_eq!(found_in("compress-core"), upward);
    assert!(found_in("compress-nn").is_empty());
}
