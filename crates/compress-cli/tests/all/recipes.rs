//! Recipes: checked whole, and gone on with where they stopped.

use std::path::Path;

use crate::run::{model, run};

const RECIPE: &str = r#"
[[step]]
command = "prune"
input = "m.gguf"
output = "p.gguf"
density = 0.5
exclude = ["embed.*"]

[[step]]
command = "quantize"
input = "p.gguf"
output = "q.gguf"
type = "q8_0"

[[step]]
command = "verify"
a = "p.gguf"
b = "q.gguf"
min-sqnr = 30
"#;

fn write(dir: &Path, recipe: &str) {
    std::fs::write(dir.join("r.toml"), recipe).unwrap();
}

#[test]
fn a_recipe_does_what_its_commands_do() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.gguf");
    write(dir.path(), RECIPE);
    let ran = run(dir.path(), "run r.toml");
    assert_eq!(ran.code, 0, "{}", ran.error);
    run(
        dir.path(),
        "prune m.gguf -o p2.gguf --density 0.5 --exclude embed.*",
    );
    run(dir.path(), "quantize p2.gguf -o q2.gguf --type q8_0");
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    assert!(read("q.gguf") == read("q2.gguf"));
}

#[test]
fn an_interrupted_run_goes_on_and_ends_in_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.gguf");
    write(dir.path(), RECIPE);
    run(dir.path(), "run r.toml");
    let read = |name: &str| std::fs::read(dir.path().join(name)).unwrap();
    let whole = read("q.gguf");
    // As after an interruption of the second step.
    std::fs::remove_file(dir.path().join("q.gguf")).unwrap();
    let again = run(dir.path(), "run r.toml");
    assert_eq!(
        again.error.matches("done before").count(),
        1,
        "{}",
        again.error
    );
    assert!(read("q.gguf") == whole);
    let done = run(dir.path(), "run r.toml");
    assert_eq!(done.error.matches("done before").count(), 2);
    // A step that has changed is done again, and so is what follows from it.
    write(dir.path(), &RECIPE.replace("0.5", "0.25"));
    let changed = run(dir.path(), "run r.toml");
    assert_eq!(
        changed.error.matches("done before").count(),
        0,
        "{}",
        changed.error
    );
    assert!(read("q.gguf") != whole);
}

#[test]
fn files_that_a_step_depends_on_count() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.safetensors");
    run(
        dir.path(),
        "convert m.safetensors -o s.safetensors.index.json",
    );
    let recipe = "[[step]]\ncommand = \"convert\"\ninput = \"s.safetensors.index.json\"\n\
                  output = \"./h.safetensors\"\ntype = \"f16\"\n\
                  [[step]]\ncommand = \"inspect\"\nfile = \"h.safetensors\"\n";
    write(dir.path(), recipe);
    let first = run(dir.path(), "run r.toml --json");
    assert_eq!(first.code, 0, "{}", first.error);
    let results: serde_json::Value = serde_json::from_str(&first.out).unwrap();
    assert_eq!(results.as_array().unwrap().len(), 2, "one list of results");
    assert!(run(dir.path(), "run r.toml").error.contains("done before"));
    // Another shard under the same index.
    let shard = dir.path().join("s-00001-of-00001.safetensors");
    let mut bytes = std::fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    assert!(!run(dir.path(), "run r.toml").error.contains("done before"));
}

#[test]
fn all_steps_are_checked_before_the_first() {
    let dir = tempfile::tempdir().unwrap();
    model(dir.path(), "m.gguf");
    let wrong = [
        (
            "type = \"q8_0\"",
            "type = \"q8_0\"\ntyp = 1",
            "step 2: unexpected argument '--typ",
        ),
        ("command = \"verify\"", "command = \"verfy\"", "step 3"),
        (
            "input = \"m.gguf\"",
            "input = \"n.gguf\"",
            "step 1: n.gguf does not exist",
        ),
        (
            "output = \"q.gguf\"",
            "output = \"p.gguf\"",
            "step 2: p.gguf is written by a step before",
        ),
        (
            "exclude = [\"embed.*\"]",
            "exclude = [\"embd.*\"]",
            "step 1: the pattern \"embd.*\"",
        ),
        (
            "density = 0.5",
            "density = [[1]]",
            "step 1: `density` is neither",
        ),
        ("[[step]]", "[[steps]]", "steps"),
        ("command = \"prune\"", "", "step 1: `command` is missing"),
    ];
    for (from, to, said) in wrong {
        write(dir.path(), &RECIPE.replace(from, to));
        let ran = run(dir.path(), "run r.toml");
        assert_eq!(ran.code, 2, "{to}: {}", ran.error);
        assert!(ran.error.contains(said), "{}", ran.error);
        assert!(!dir.path().join("p.gguf").exists(), "nothing was done");
    }
}
