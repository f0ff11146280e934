//! Whether there is a server at the other end of a connection, or a pooler that lends servers out.
//!
//! A pooler may answer each transaction by another server process. What a session keeps is then of no use, or worse:
//! a statement that was prepared may be another agent's. A server tells the id of its process twice: with the greeting,
//! and when a statement asks. A pooler's greeting has an id of its own. The client keeps the greeting's for cancelling,
//! and says it to whoever it takes for the server; here, that is a pipe in memory.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::join;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio_postgres::Client;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// A length, a code, the id of a process, and a secret, each of four bytes.
const CANCEL_BYTES: usize = 16;
/// A length and a code: what asks for encryption.
const TLS_BYTES: usize = 8;

/// The id of the server's process, as the greeting told it. Asks nothing of the server.
pub(crate) async fn greeted_id(client: &Client, has_tls: bool) -> Option<i32> {
    let (ours, theirs) = duplex(TLS_BYTES + CANCEL_BYTES);
    let token = client.cancel_token();
    let (said, heard) = join(token.cancel_query_raw(ours, Bare), hear(theirs, has_tls)).await;
    said.ok().and_then(|()| heard.ok())
}

async fn hear(mut pipe: DuplexStream, has_tls: bool) -> io::Result<i32> {
    if has_tls {
        pipe.read_exact(&mut [0; TLS_BYTES]).await?;
        pipe.write_all(b"S").await?;
    }
    pipe.read_i32().await?;
    pipe.read_i32().await?;
    let id = pipe.read_i32().await?;
    pipe.read_i32().await?;
    Ok(id)
}

/// No encryption, where the client insists on some: nothing leaves this process.
struct Bare;

impl TlsConnect<DuplexStream> for Bare {
    type Stream = Pipe;
    type Error = Infallible;
    type Future = Ready<Result<Pipe, Infallible>>;

    fn connect(self, stream: DuplexStream) -> Self::Future {
        ready(Ok(Pipe(stream)))
    }
}

struct Pipe(DuplexStream);

impl TlsStream for Pipe {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
