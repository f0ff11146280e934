//! The least that a native process can do and still say something: what whole processes are measured against.
#![expect(clippy::print_stdout, reason = "printing is all it does")]

fn main() {
    println!("hello world");
}
