//! The file server as a program of its own: `stdio [--read-only] FOLDER..`.

use gatelodge_files::{Access, FileServer, Folder, keep_memory_small, serve};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    keep_memory_small();
    let mut access = Access::ReadWrite;
    let mut folders = Vec::new();
    for argument in std::env::args_os().skip(1) {
        if argument == "--read-only" {
            access = Access::ReadOnly;
        } else {
            folders.push(argument);
        }
    }
    let server = FileServer::open(folders.into_iter().map(|path| Folder { path: path.into(), access }))?;
    // Reading files is what its threads are for; a few are enough, and they go when there is nothing to do.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .thread_keep_alive(std::time::Duration::from_secs(10))
        .build()?;
    let served = runtime.block_on(serve(server, tokio::io::stdin(), tokio::io::stdout()));
    // The thread that reads standard input may still wait for it.
    runtime.shutdown_background();
    Ok(served?)
}
