//! Runs: the order of calls, pruned weights, and what is refused.
