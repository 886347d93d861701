//! The numbers of `docs/benchmarks.md`. `cargo bench --bench bench` measures all, `cargo bench --bench bench -- tcp-expect idle` some of them.
//!
//! A benchmark is no test: it prints what it sees and ends well either way. Targets run in a process of their own (this program once more), so that
//! the processor time that is counted is ours alone.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program: what goes wrong ends it, and its output is the point"
)]

mod bare;
mod checks;
mod cluster;
mod definitions;
mod etcd;
mod network;
mod plan;
mod pure;
mod server;
mod support;
mod sync;
mod target;

use support::{Selection, Table};

// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    // Cargo says `--bench`; the rest is ours.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if args.first().is_some_and(|arg| arg == target::ARGUMENT) {
        return target::serve();
    }
    let selection = Selection::new(args);
    let mut table = Table::default();
    pure::run(&selection, &mut table);
    plan::run(&selection, &mut table);
    checks::run(&selection, &mut table);
    sync::run(&selection, &mut table);
    server::run(&selection, &mut table);
    cluster::run(&selection, &mut table);
    network::run(&selection, &mut table);
    println!("\n{table}");
}
