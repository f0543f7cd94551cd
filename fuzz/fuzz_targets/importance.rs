//! Any bytes are an importance file of llama.cpp or refused.
#![no_main]

use compress_io::Importance;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for name in ["imatrix.dat", "imatrix.gguf"] {
        let Ok(importance) = Importance::open(compress_fuzz::file(name, bytes)) else {
            continue;
        };
        for name in importance.names() {
            for shape in [[1, 4], [6, 2]] {
                let Ok(Some(columns)) = importance.of(name, &shape) else {
                    continue;
                };
                (0..shape[0]).for_each(|row| assert_eq!(columns.row(row).len(), shape[1]));
            }
        }
    }
});
