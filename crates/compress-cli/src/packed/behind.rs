//! Writing a file on a thread of its own, while the next bytes are computed.

use std::fs::File;
use std::io::{Error, ErrorKind, Result, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// Bytes that are handed over at once.
const AT_ONCE: usize = 1 << 20;
/// How often so many may wait.
const WAITING: usize = 4;

/// Whether a file could not be written: what is told of it on the way does not name it.
#[derive(Clone, Default)]
pub(crate) struct Failed(Arc<AtomicBool>);

impl Failed {
    /// The error, as one of the file at `path` if writing has failed.
    pub(crate) fn at(&self, path: &Path, error: compress_core::Error) -> compress_core::Error {
        match self.0.load(Ordering::Relaxed) {
            true => compress_core::Error::Io {
                path: path.to_owned(),
                source: Error::other(error),
            },
            false => error,
        }
    }
}

/// A file that a thread writes.
pub(crate) struct Behind {
    failed: Failed,
    buffer: Vec<u8>,
    /// None where the thread has failed.
    send: Option<SyncSender<Vec<u8>>>,
    /// Buffers that may be used again.
    used: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Behind {
    /// Begins to write a file.
    pub(crate) fn new(file: File) -> Self {
        let (send, receive) = sync_channel(WAITING);
        let (give_back, used) = channel();
        Behind {
            failed: Failed::default(),
            buffer: Vec::with_capacity(AT_ONCE),
            send: Some(send),
            used,
            thread: Some(std::thread::spawn(move || write(file, receive, give_back))),
        }
    }

    /// Says later whether writing has failed.
    pub(crate) fn failed(&self) -> Failed {
        self.failed.clone()
    }

    /// Waits until all is written.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.hand_over()?;
        self.join()
    }

    fn hand_over(&mut self) -> Result<()> {
        let next = self.used.try_recv().unwrap_or_default();
        let full = std::mem::replace(&mut self.buffer, next);
        self.buffer.clear();
        match self.send.as_ref().map(|send| send.send(full)) {
            Some(Ok(())) => Ok(()),
            // The thread says why.
            _ => self.join().and(Err(ErrorKind::BrokenPipe.into())),
        }
    }

    fn join(&mut self) -> Result<()> {
        self.send = None;
        let written = match self.thread.take().map(JoinHandle::join) {
            Some(Ok(written)) => written,
            _ => Err(Error::other("the thread that writes has failed")),
        };
        self.failed.0.fetch_or(written.is_err(), Ordering::Relaxed);
        written
    }
}

impl Write for Behind {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let taken = bytes.len().min(AT_ONCE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == AT_ONCE {
            self.hand_over()?;
        }
        Ok(taken)
    }

    /// Hands over what there is, and does not wait: [`Behind::finish`] does.
    fn flush(&mut self) -> Result<()> {
        self.hand_over()
    }
}

fn write(mut file: File, receive: Receiver<Vec<u8>>, give_back: Sender<Vec<u8>>) -> Result<()> {
    for bytes in receive {
        file.write_all(&bytes)?;
        // Nobody takes them where all has been handed over.
        let _ = give_back.send(bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_arrive_in_order() {
        let mut file = tempfile::tempfile().unwrap();
        let mut behind = Behind::new(file.try_clone().unwrap());
        let expected: Vec<u8> = (0..5 * AT_ONCE + 3).map(|i| (i % 251) as u8).collect();
        for part in expected.chunks(100_003) {
            behind.write_all(part).unwrap();
        }
        behind.finish().unwrap();
        let mut found = Vec::new();
        std::io::Seek::rewind(&mut file).unwrap();
        std::io::Read::read_to_end(&mut file, &mut found).unwrap();
        assert!(found == expected);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("read_only");
        std::fs::write(&path, "").unwrap();
        let mut behind = Behind::new(File::open(&path).unwrap());
        let failed = behind.failed();
        let written = (0..20).try_for_each(|_| behind.write_all(&[0; AT_ONCE]));
        assert!(written.and_then(|()| behind.finish()).is_err());
        let error = failed.at(&path, compress_core::Error::Other("a fault".into()));
        assert!(matches!(error, compress_core::Error::Io { .. }), "{error}");
    }
}
