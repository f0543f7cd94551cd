//! What the targets of files share.

use std::path::{Path, PathBuf};

use compress_core::parameters::Parameters;
use compress_io::{Checkpoint, Plan, Source};

/// A file of this name with these bytes, in a folder of the process.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("compress-fuzz-{}", std::process::id()));
    let path = folder.join(name);
    let folder = path.parent().expect("a folder");
    std::fs::create_dir_all(folder).expect("a folder for files");
    std::fs::write(&path, bytes).expect("room for a file");
    path
}

/// Opens a file and reads all of its values, by each way that there is.
pub fn read(path: &Path) -> Option<Checkpoint> {
    let checkpoint = Checkpoint::open(path).ok()?;
    for index in 0..checkpoint.tensors().len() {
        let info = &checkpoint.tensors()[index];
        let Ok(bytes) = checkpoint.bytes(index) else {
            continue;
        };
        let size = info.bytes().expect("the size of what was read");
        assert_eq!(bytes.len() as u64, size, "{}", info.name);
    }
    // Values that are not finite are refused, here by the callee.
    let _ = checkpoint.visit(&mut |tensor| tensor.check());
    Some(checkpoint)
}

/// A file that can be read is written again, and read again with the same tensors.
pub fn copies(name: &str, bytes: &[u8]) {
    let Some(checkpoint) = read(&file(name, bytes)) else {
        return;
    };
    let mut plan = Plan {
        tensors: checkpoint.tensors().to_vec(),
        metadata: checkpoint.metadata().clone(),
    };
    let format = checkpoint.format();
    format.arrange(&mut plan);
    let contents = |checkpoint: &Checkpoint, name: &str| {
        let index = checkpoint.position(name)?;
        checkpoint.bytes(index).map(|bytes| bytes.into_owned())
    };
    let all = plan.tensors.iter();
    let all: Result<Vec<_>, _> = all.map(|info| contents(&checkpoint, &info.name)).collect();
    // What a checksum refuses is not copied.
    let Ok(all) = all else { return };
    let path = file(&format!("copy/{name}"), &[]);
    // A file may be laxer than the format's writer.
    let Ok(mut sink) = format.create(&path, &plan) else {
        return;
    };
    for bytes in &all {
        sink.write(bytes).expect("what was planned");
    }
    sink.finish().expect("all that was planned");
    let again = Checkpoint::open(&path).expect("what was written");
    for (info, bytes) in plan.tensors.iter().zip(&all) {
        let index = again.position(&info.name).expect("each tensor");
        assert_eq!(again.tensors()[index], *info);
        assert_eq!(*again.bytes(index).expect("its bytes"), *bytes.as_slice());
    }
}
