//! Adding a line to the end of a file. WASI 0.2 has a stream for it, which may take the line in several pieces.

use coord_core::store::StoreErrorKind;
use wasip2::filesystem::types::Descriptor;
use wasip2::io::streams::{OutputStream, StreamError};

use super::read_from;
use crate::failure::Failure;

/// How the host adds to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Adds {
    /// By one call: it has said so.
    AtOnce,
    /// Through a stream, each piece of it at the end that the file has then.
    InPieces,
    /// At the end that the file had a moment before.
    Unsafely,
}

/// The most bytes that may be written and flushed by one call.
const WRITTEN_AND_FLUSHED: usize = 4_096;

/// How often a line is added that others got into.
const ADDED_AT_MOST: usize = 5;

/// Adds a line through a stream: in one piece, if that is short and the host takes it at once.
///
/// Otherwise in as many pieces as it takes at once. Others that add meanwhile may get between two pieces: so one that
/// took more than one is looked for, and added again if it is not there in one piece.
pub(super) fn add(file: &Descriptor, line: &[u8], mut end: u64) -> Result<(), Failure> {
    for _ in 0..ADDED_AT_MOST {
        let stream = file.append_via_stream()?;
        let room = stream.check_write().map_err(stream_failed)?;
        if line.len() <= WRITTEN_AND_FLUSHED && line.len() as u64 <= room {
            return stream.blocking_write_and_flush(line).map_err(stream_failed);
        }
        if add_in_pieces(&stream, line)? <= 1 {
            return Ok(());
        }
        let found = read_from(file, end, usize::MAX, |_| false)?;
        if found.windows(line.len()).any(|found| found == line) {
            return Ok(());
        }
        end += found.len() as u64;
    }
    Err(Failure::Other(StoreErrorKind::Other, "others add to it all the time".to_string()))
}

/// Adds all of a line, and tells in how many pieces.
fn add_in_pieces(stream: &OutputStream, line: &[u8]) -> Result<usize, Failure> {
    let (mut rest, mut pieces) = (line, 0);
    while !rest.is_empty() {
        stream.subscribe().block();
        let room = usize::try_from(stream.check_write().map_err(stream_failed)?).unwrap_or(rest.len());
        let (piece, later) = rest.split_at(room.min(rest.len()));
        if !piece.is_empty() {
            stream.write(piece).map_err(stream_failed)?;
            pieces += 1;
        }
        rest = later;
    }
    stream.blocking_flush().map_err(stream_failed)?;
    Ok(pieces)
}

fn stream_failed(error: StreamError) -> Failure {
    match error {
        StreamError::LastOperationFailed(error) => {
            let code = wasip2::filesystem::types::filesystem_error_code(&error);
            code.map_or_else(|| Failure::Other(StoreErrorKind::Other, error.to_debug_string()), Failure::from)
        }
        StreamError::Closed => Failure::Other(StoreErrorKind::Other, "the stream is closed".to_string()),
    }
}
