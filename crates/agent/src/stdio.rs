//! Standard input and output without a thread in between, where the system has a way to.
//!
//! Clients give their servers pipes, or socket pairs (Node does). Reading and writing those in the event loop saves two
//! wake-ups of another thread each way. Whether calls block is a property of the open file, which others may share
//! (the shell, a process started later), so it is never changed: a pipe is opened once more, and a socket is told with
//! each call. Files and terminals stay with the threads.

use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// Where messages come from.
pub(crate) type Reader = Pin<Box<dyn AsyncRead + Send>>;

/// Where messages go to.
pub(crate) type Writer = Pin<Box<dyn AsyncWrite + Send>>;

/// Returns standard input.
pub(crate) fn reader() -> Reader {
    #[cfg(unix)]
    if let Some(reader) = direct::reader() {
        return reader;
    }
    Box::pin(tokio::io::stdin())
}

/// Returns standard output.
pub(crate) fn writer() -> Writer {
    #[cfg(unix)]
    if let Some(writer) = direct::writer() {
        return writer;
    }
    Box::pin(tokio::io::stdout())
}

#[cfg(unix)]
mod direct {
    use std::fs::{File, FileType};
    use std::io;
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::fs::FileTypeExt;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use rustix::net::{RecvFlags, SendFlags, recv, send};
    use tokio::io::unix::AsyncFd;
    use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

    use super::{Reader, Writer};

    /// What pipes hold from now on, so that a large message takes a few switches between processes and not hundreds. An
    /// unprivileged process may ask for as much.
    #[cfg(target_os = "linux")]
    const PIPE: usize = 1 << 20;

    pub(super) fn reader() -> Option<Reader> {
        let stdin = io::stdin();
        let kind = kind(&stdin)?;
        if kind.is_fifo() {
            #[cfg(target_os = "linux")]
            {
                enlarge(&stdin);
                let pipe = tokio::net::unix::pipe::OpenOptions::new().open_receiver("/proc/self/fd/0");
                return Some(Box::pin(pipe.ok()?));
            }
        }
        let socket = kind.is_socket().then(|| Socket::new(stdin, Interest::READABLE))?;
        Some(Box::pin(socket.ok()?))
    }

    pub(super) fn writer() -> Option<Writer> {
        let stdout = io::stdout();
        let kind = kind(&stdout)?;
        if kind.is_fifo() {
            #[cfg(target_os = "linux")]
            {
                enlarge(&stdout);
                let pipe = tokio::net::unix::pipe::OpenOptions::new().open_sender("/proc/self/fd/1");
                return Some(Box::pin(pipe.ok()?));
            }
        }
        let socket = kind.is_socket().then(|| Socket::new(stdout, Interest::WRITABLE))?;
        Some(Box::pin(socket.ok()?))
    }

    /// Asks for a larger pipe; the system may refuse, and then it stays as it is.
    #[cfg(target_os = "linux")]
    fn enlarge(pipe: &impl AsFd) {
        let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE);
    }

    fn kind(descriptor: &impl AsFd) -> Option<FileType> {
        let file = File::from(descriptor.as_fd().try_clone_to_owned().ok()?);
        Some(file.metadata().ok()?.file_type())
    }

    /// A stream socket whose own mode is left alone.
    pub(super) struct Socket<T: AsRawFd>(AsyncFd<T>);

    impl<T: AsRawFd> Socket<T> {
        #[expect(
            deprecated,
            reason = "it is for types that may change their descriptor, unlike the standard streams"
        )]
        pub(super) fn new(socket: T, interest: Interest) -> io::Result<Self> {
            AsyncFd::with_interest(socket, interest).map(Self)
        }
    }

    impl<T: AsRawFd + AsFd + Unpin> AsyncRead for Socket<T> {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            loop {
                let mut ready = ready!(self.0.poll_read_ready(context))?;
                let received = ready.try_io(|socket| {
                    let unfilled = buffer.initialize_unfilled();
                    Ok(recv(socket.get_ref(), unfilled, RecvFlags::DONTWAIT)?.0)
                });
                match received {
                    Ok(received) => return Poll::Ready(received.map(|length| buffer.advance(length))),
                    Err(_would_block) => {}
                }
            }
        }
    }

    impl<T: AsRawFd + AsFd + Unpin> AsyncWrite for Socket<T> {
        fn poll_write(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            loop {
                let mut ready = ready!(self.0.poll_write_ready(context))?;
                match ready.try_io(|socket| Ok(send(socket.get_ref(), bytes, SendFlags::DONTWAIT)?)) {
                    Ok(sent) => return Poll::Ready(sent),
                    Err(_would_block) => {}
                }
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use rustix::fs::{OFlags, fcntl_getfl};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};

    use super::direct::Socket;

    #[tokio::test]
    async fn a_socket_is_read_and_written_without_blocking_and_without_a_change_to_it() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (reading, writing) = (ours.try_clone().unwrap(), ours.try_clone().unwrap());
        let mut reader = Socket::new(reading, Interest::READABLE).unwrap();
        let mut writer = Socket::new(writing, Interest::WRITABLE).unwrap();
        let mut read = vec![0; 5];
        let mut reading = Box::pin(reader.read_exact(&mut read));
        assert!(futures_poll_once(&mut reading).await.is_none());
        theirs.write_all(b"hello").unwrap();
        reading.await.unwrap();
        assert_eq!(read, b"hello");
        // More than a socket holds: it is written as the other end reads.
        let large = vec![7; 4 << 20];
        let expected = large.clone();
        let taking = std::thread::spawn(move || {
            let mut taken = vec![0; expected.len()];
            theirs.read_exact(&mut taken).unwrap();
            taken == expected
        });
        writer.write_all(&large).await.unwrap();
        assert!(taking.join().unwrap());
        assert!(!fcntl_getfl(&ours).unwrap().contains(OFlags::NONBLOCK));
    }

    async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = std::future::ready(()) => None,
        }
    }
}
