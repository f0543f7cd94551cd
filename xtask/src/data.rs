//! A data set of images in IDX files, such as the MNIST that ships with the project. What is in the
//! files is parsed by `compress-nn`.
//!
//! The test files are opened by [`Dataset::test`] alone, so that they stay shut until the last stage.

use std::fmt;
use std::path::{Path, PathBuf};

use compress_core::train::Samples;
use compress_nn::data::{ImageSet, idx};
use serde::Serialize;

/// The name of the data set that ships, and the SHA-256 of its files.
const SHIPPED: &str = "MNIST";
const TRAINING_HASHES: [&str; 2] = [
    "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2fc2ad904a6835971",
    "1787548bbe0bff1ec2ecdc0ef292b02df999e2d1a6002d27500982c652b17203",
];
const TEST_HASHES: [&str; 2] = [
    "1a1a05eab793c14bb050b398624a11b0ffd1a2953baed553b1b9bd079e2a20be",
    "b91679a0acfe4ba0e50a2437a903084cba1f5f92592b016a25a7dfd00455798b",
];

/// A folder with the four files of a data set.
#[derive(Clone, Debug)]
pub(crate) struct Dataset {
    dir: PathBuf,
    /// Whether it is the folder that ships, whose files must be what results were measured on.
    shipped: bool,
}

/// The images of one split, and what they were read from.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    pub(crate) images: ImageSet,
    /// Of the files of images and of labels.
    pub(crate) hashes: [String; 2],
    /// One more than the largest label, the training labels included.
    classes: usize,
    /// Of the data set: `MNIST` where the hashes are those, else the name of the folder.
    pub(crate) name: String,
}

/// What the images of a data set are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Shape {
    /// Rows of an image.
    pub(crate) height: usize,
    /// Columns of an image.
    pub(crate) width: usize,
    /// One more than the largest label.
    pub(crate) classes: usize,
}

impl Shape {
    /// Pixels of an image.
    pub(crate) fn features(self) -> usize {
        self.height * self.width
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape {
            height,
            width,
            classes,
        } = self;
        write!(f, "{height}×{width} pixels and {classes} classes")
    }
}

/// Why the data cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error("cannot read {}: {source}{HINT}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} has no {wanted}{HINT}", dir.display())]
    Missing { dir: PathBuf, wanted: String },
    #[error("{} has several {wanted}: {found}; leave one there", dir.display())]
    Several {
        dir: PathBuf,
        wanted: String,
        found: String,
    },
    /// A file that ships is not the one that the results were measured on.
    #[error(
        "{} is not the file that ships: its SHA-256 is {found}, expected {expected}; restore it \
         with `git checkout -- {}`",
        path.display(),
        path.display()
    )]
    Hash {
        path: PathBuf,
        expected: &'static str,
        found: String,
    },
    #[error(transparent)]
    Content(#[from] compress_nn::Error),
}

/// What the split is called in errors, and the words of which its files have one in their names.
const TRAINING: &str = "training";
const TRAINING_WORDS: &[&str] = &["train"];

const HINT: &str = "; a data set is a folder with four IDX files, plain or .gz, named like \
                    train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and \
                    t10k-labels-idx1-ubyte";

impl Dataset {
    /// The data set in `dir`, or the MNIST that ships.
    pub(crate) fn new(dir: Option<PathBuf>) -> Self {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/mnist");
        match dir {
            None => Dataset {
                dir: shipped,
                shipped: true,
            },
            Some(dir) => {
                let same = dir.canonicalize().ok() == shipped.canonicalize().ok();
                Dataset { dir, shipped: same }
            }
        }
    }

    /// Reads the training images and labels. Does not touch the test files.
    ///
    /// # Errors
    /// Where a file is missing, cannot be read or is no IDX file, and where one that ships was
    /// changed.
    pub(crate) fn training(&self) -> Result<Split, DataError> {
        self.split(TRAINING, TRAINING_WORDS, TRAINING_HASHES)
    }

    /// Reads the test images and labels: once, when nothing is to be decided any more.
    ///
    /// # Errors
    /// As [`Dataset::training`].
    pub(crate) fn test(&self) -> Result<Split, DataError> {
        self.split("test", &["t10k", "test"], TEST_HASHES)
    }

    /// How many classes the data set has: as its training labels say, where they are there.
    fn classes(&self, labels: &[u32]) -> usize {
        let training = self.file(TRAINING, TRAINING_WORDS, "labels");
        let training = training.ok().and_then(|path| idx::read_labels(&path).ok());
        let labels = training.iter().flatten().chain(labels);
        labels.max().map_or(0, |&label| label as usize + 1)
    }

    fn split(
        &self,
        what: &str,
        words: &[&str],
        expected: [&'static str; 2],
    ) -> Result<Split, DataError> {
        let files = [
            self.file(what, words, "images")?,
            self.file(what, words, "labels")?,
        ];
        let hashes = [hash(&files[0])?, hash(&files[1])?];
        if self.shipped {
            for ((path, expected), found) in files.iter().zip(expected).zip(&hashes) {
                check(path, expected, found)?;
            }
        }
        let name = match hashes == expected {
            true => SHIPPED.to_owned(),
            false => self.folder_name(),
        };
        let images = ImageSet::from_idx(&files[0], &files[1])?;
        Ok(Split {
            classes: self.classes(images.labels()),
            images,
            hashes,
            name,
        })
    }

    /// The one IDX file whose name has one of `words`, and `kind`.
    fn file(&self, what: &str, words: &[&str], kind: &str) -> Result<PathBuf, DataError> {
        let read = |source| DataError::Read {
            path: self.dir.clone(),
            source,
        };
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(read)? {
            let path = entry.map_err(read)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_it = name.contains("idx") && name.contains(kind);
            // As in `latest-train-images`: a word of the one may stand in a name of the other.
            let is_other = what != TRAINING && name.contains("train");
            if is_it && !is_other && words.iter().any(|word| name.contains(word)) {
                found.push(path);
            }
        }
        found.sort();
        let wanted = format!("IDX file of {what} {kind}");
        let dir = self.dir.clone();
        match (found.pop(), found.is_empty()) {
            (Some(path), true) => Ok(path),
            (None, _) => Err(DataError::Missing { dir, wanted }),
            (Some(last), false) => {
                found.push(last);
                let names = found.iter().filter_map(|path| path.file_name());
                let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
                let found = names.join(", ");
                Err(DataError::Several { dir, wanted, found })
            }
        }
    }

    fn folder_name(&self) -> String {
        let whole = self.dir.canonicalize();
        let dir = whole.as_ref().unwrap_or(&self.dir);
        let name = dir.file_name().unwrap_or(dir.as_os_str());
        name.to_string_lossy().into_owned()
    }
}

impl Split {
    /// What its images are like.
    pub(crate) fn shape(&self) -> Shape {
        Shape {
            height: self.images.height(),
            width: self.images.width(),
            classes: self.classes,
        }
    }

    /// Whether it is of MNIST, by the hashes.
    pub(crate) fn is_mnist(&self) -> bool {
        self.name == SHIPPED
    }

    /// What the split is of, for a report: the name, and what tells that it is another's data.
    pub(crate) fn describe(&self) -> String {
        let ([images, labels], name) = (&self.hashes, &self.name);
        match self.is_mnist() {
            true => name.clone(),
            false => format!("{name}, SHA-256 of images {images}, of labels {labels}"),
        }
    }
}

fn hash(path: &Path) -> Result<String, DataError> {
    let bytes = std::fs::read(path).map_err(|source| DataError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(sha256(&bytes))
}

fn check(path: &Path, expected: &'static str, found: &str) -> Result<(), DataError> {
    if found == expected {
        return Ok(());
    }
    Err(DataError::Hash {
        path: path.to_owned(),
        expected,
        found: found.to_owned(),
    })
}

/// The SHA-256 of the bytes in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = hmac_sha256::Hash::hash(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: &[u8] = &[0, 0, 8, 1, 0, 0, 0, 2, 4, 1];
    const IMAGES: &[u8] = &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 9, 8, 7, 6];

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("temporary folder");
        for (name, bytes) in files {
            std::fs::write(dir.path().join(name), bytes).expect("write");
        }
        dir
    }

    #[test]
    fn the_files_that_ship_are_the_expected_ones() {
        let data = Dataset::new(None);
        let (train, test) = (data.training().unwrap(), data.test().unwrap());
        assert_eq!((train.images.len(), test.images.len()), (60_000, 10_000));
        assert_eq!(train.shape(), test.shape());
        assert_eq!(train.shape().to_string(), "28×28 pixels and 10 classes");
        assert_eq!(
            (train.describe(), test.describe()),
            (SHIPPED.into(), SHIPPED.into())
        );
    }

    #[test]
    fn another_data_set_is_named_by_its_folder_and_its_hashes() {
        let dir = folder(&[
            ("train-labels-idx1-ubyte", LABELS),
            ("train-images-idx3-ubyte", IMAGES),
            ("notes.txt", b"train images"),
        ]);
        let training = Dataset::new(Some(dir.path().to_owned()))
            .training()
            .unwrap();
        assert_eq!(
            training.shape(),
            Shape {
                height: 1,
                width: 2,
                classes: 5
            }
        );
        let name = dir.path().file_name().unwrap().to_string_lossy();
        let hashes = [IMAGES, LABELS].map(sha256);
        let said = training.describe();
        for part in [&*name, &hashes[0], &hashes[1]] {
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn training_data_load_without_the_test_files() {
        let dir = folder(&[
            ("train-labels-idx1-ubyte", LABELS),
            ("train-images-idx3-ubyte", IMAGES),
        ]);
        let data = Dataset::new(Some(dir.path().to_owned()));
        data.training().expect("the training files are there");
        let error = data.test().expect_err("the test files are not").to_string();
        assert!(
            error.contains("test images") && error.contains("t10k"),
            "{error}"
        );
    }

    #[test]
    fn two_files_for_one_thing_are_an_error() {
        let dir = folder(&[
            ("emnist-letters-train-images-idx3-ubyte.gz", b""),
            ("emnist-digits-train-images-idx3-ubyte.gz", b""),
        ]);
        let data = Dataset::new(Some(dir.path().to_owned()));
        let error = data.training().unwrap_err().to_string();
        assert!(
            error.contains("letters") && error.contains("digits"),
            "{error}"
        );
    }

    #[test]
    fn a_changed_file_is_named_with_both_hashes() {
        // The SHA-256 of "abc" is the first example of FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let dir = folder(&[("t10k-images-idx3-ubyte.gz", b"abc")]);
        let data = Dataset {
            dir: dir.path().to_owned(),
            shipped: true,
        };
        let path = data.file("test", &["t10k"], "images").unwrap();
        let message = check(&path, TEST_HASHES[0], &hash(&path).unwrap()).unwrap_err();
        let message = message.to_string();
        for part in ["t10k-images", TEST_HASHES[0], abc, "git checkout"] {
            assert!(message.contains(part), "{part} is not in: {message}");
        }
    }
}
