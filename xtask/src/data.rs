//! The MNIST files, verified by their SHA-256. What is in them is parsed by `compress-nn`.
//!
//! The test files are opened by [`load_test`] alone, so that they stay shut until the last stage.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A file and its SHA-256 in hexadecimal.
type Known = (&'static str, &'static str);

const TRAIN_IMAGES: Known = (
    "train-images-idx3-ubyte.gz",
    "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971",
);
const TRAIN_LABELS: Known = (
    "train-labels-idx1-ubyte.gz",
    "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203",
);
const TEST_IMAGES: Known = (
    "t10k-images-idx3-ubyte.gz",
    "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be",
);
const TEST_LABELS: Known = (
    "t10k-labels-idx1-ubyte.gz",
    "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b",
);

/// The two files of one split, verified and still compressed (gzip around IDX).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mnist {
    /// The images, 28×28 bytes each.
    pub images: Vec<u8>,
    /// The labels, a byte each.
    pub labels: Vec<u8>,
}

/// Why the data cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    /// A file is missing or cannot be read.
    #[error(
        "cannot read {}: {source}; the four MNIST files belong in {} (see the README.md there)",
        path.display(),
        path.parent().unwrap_or(path).display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A file is not the one that the results were measured on.
    #[error(
        "{} is not the expected file: its SHA-256 is {found}, expected {expected}; \
         restore it with `git checkout -- {}`, or download the original again",
        path.display(),
        path.display()
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// The hash of the right file, hexadecimal.
        expected: &'static str,
        /// The hash of this one.
        found: String,
    },
}

/// `xtask/data/mnist` of this workspace.
pub(crate) fn default_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist")
}

/// Reads the 60,000 training images and labels in `dir`. Does not touch the test files.
///
/// # Errors
/// Where a file cannot be read, or its hash is not the expected one.
pub(crate) fn load(dir: &Path) -> Result<Mnist, DataError> {
    read(dir, TRAIN_IMAGES, TRAIN_LABELS)
}

/// Reads the 10,000 test images and labels in `dir`: once, when nothing is to be decided any more.
///
/// # Errors
/// Where a file cannot be read, or its hash is not the expected one.
pub(crate) fn load_test(dir: &Path) -> Result<Mnist, DataError> {
    read(dir, TEST_IMAGES, TEST_LABELS)
}

fn read(dir: &Path, images: Known, labels: Known) -> Result<Mnist, DataError> {
    Ok(Mnist {
        images: read_verified(dir, images)?,
        labels: read_verified(dir, labels)?,
    })
}

fn read_verified(dir: &Path, (name, expected): Known) -> Result<Vec<u8>, DataError> {
    let path = dir.join(name);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(source) => return Err(DataError::Read { path, source }),
    };
    let found = hexadecimal(&Sha256::digest(&bytes));
    if found == expected {
        Ok(bytes)
    } else {
        Err(DataError::Hash {
            path,
            expected,
            found,
        })
    }
}

/// The bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_files_are_the_expected_ones() {
        let train = load(&default_dir()).expect("training files");
        let test = load_test(&default_dir()).expect("test files");
        assert_eq!(
            (train.images.len(), train.labels.len()),
            (9_719_438, 28_857)
        );
        assert_eq!((test.images.len(), test.labels.len()), (1_616_508, 4_517));
    }

    #[test]
    fn training_data_load_without_the_test_files() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for (name, _) in [TRAIN_IMAGES, TRAIN_LABELS] {
            std::fs::copy(default_dir().join(name), dir.path().join(name)).expect("copy");
        }
        load(dir.path()).expect("the training files are there");
        let error = load_test(dir.path()).expect_err("the test files are not");
        assert!(matches!(&error, DataError::Read { path, .. } if path.ends_with(TEST_IMAGES.0)));
        assert!(error.to_string().contains(TEST_IMAGES.0), "{error}");
    }

    #[test]
    fn a_changed_file_is_named_with_both_hashes() {
        let dir = tempfile::tempdir().expect("temporary folder");
        std::fs::write(dir.path().join(TEST_IMAGES.0), b"abc").expect("write");
        let message = load_test(dir.path()).expect_err("not MNIST").to_string();
        // The SHA-256 of "abc" is the first example of FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        for part in [TEST_IMAGES.0, TEST_IMAGES.1, abc, "git checkout"] {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    }
}
