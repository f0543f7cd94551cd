//! Files are replaced whole and together, or not at all.

use super::*;

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("compress-file-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn all_are_written_before_any_is_replaced() {
    let dir = folder("all");
    let good = dir.join("good");
    fs::write(&good, "old").unwrap();
    let bad = dir.join("no-such-folder/bad");
    let error = write_all(&[(good.clone(), b"new"), (bad, b"new")]).unwrap_err();
    assert!(error.to_string().contains("no-such-folder"), "{error}");
    assert_eq!(fs::read(&good).unwrap(), b"old");
    write_all(&[(good.clone(), b"new"), (dir.join("other"), b"")]).unwrap();
    assert_eq!(read(&good).unwrap(), b"new");
    assert_eq!(
        fs::read_dir(&dir).unwrap().count(),
        2,
        "nothing else is left"
    );
    fs::remove_dir_all(&dir).unwrap();
}
