//! What the tests and the examples of the documentation share. The text lies in a file of its own,
//! since `include!` takes none that begins with a module's documentation.

include!("chain.in");
